"""Training speed on MNIST-5k against what people use: a plain loop, Lightning, Keras, fastai.

The same two-convolution network (catalogue: ``two-conv``), batch 64, 5 epochs, the same 4,000 pictures in the same
order of magnitude of learning rate (Adam at 1e-3, as their tutorials have it; Capas with its own one-cycle AdamW at
the same peak of 2e-3 that it would choose). Each contestant runs in a process of its own; rounds go A B C D E A B C D
E …, so that a slow moment of the machine hits all alike. Reading the data and importing are not counted; augmentation
is off everywhere.

Expected: Capas ≥ 2 × the images/s of the fastest of them at equal test accuracy (within intervals). Also: which of
Capas' choices gives how much (one left out at a time), and the time to 97.5 % test accuracy, which for this purpose
alone is looked at after each epoch of a run apart.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.record import conditions, keep, spread, table
from capas.metrics.rate import rate

ROOT = Path(__file__).parent.parent
PEERS = ROOT / ".venv-bench"
SEEDS = (1, 2, 3)
CONTESTANTS = ("plain", "lightning", "keras", "fastai", "capas")
WITHOUT = {
    "all of them": {},
    "without bfloat16": {"execution.precision": "float32"},
    "without channels-last": {"execution.memory_format": "contiguous"},
    "without either": {"execution.precision": "float32", "execution.memory_format": "contiguous"},
}
INSTALL = (
    ["torch==2.13.0"],
    ["lightning", "keras", "scikit-learn", "pandas", "matplotlib", "requests", "pyyaml", "plum-dispatch"],
    # fastai asks for torchvision, which has no CPU build for this torch; fastai.basics runs without it.
    ["--no-deps", "fastai", "fastcore", "fastprogress", "fasttransform", "fastdownload", "python-fasthtml"],
    ["apsw", "fastlite", "starlette", "httpx", "python-dateutil", "oauthlib", "itsdangerous", "uvicorn"],
)


def peers_python() -> Path:
    """The interpreter of the peers' own environment, set up when it is missing."""
    python = PEERS / "bin" / "python"
    if not (PEERS / ".ready").exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
        for packages in INSTALL:
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (PEERS / ".ready").touch()
    return python


def contest(name: str, seed: int, options: dict[str, object]) -> dict[str, float]:
    """Let one contestant train in a process of its own; images/s, test hits, seconds to 97.5 %."""
    python = sys.executable if name == "capas" else str(peers_python())
    script = Path(__file__).parent / "peers" / f"{name}_loop.py"
    task = json.dumps({"seed": seed, "epochs": 5, "batch": 64, **options})
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([python, script, task], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": 1.0, "reason": done.stderr.strip().splitlines()[-1]}  # type: ignore[dict-item]
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def main() -> None:
    """Three rounds of everybody, then three rounds of Capas with one choice left out at a time."""
    facts = conditions("faster-than-loops")
    peers_python()
    results: dict[str, list[dict[str, float]]] = {}
    for seed in SEEDS:
        for name in CONTESTANTS:
            results.setdefault(name, []).append(contest(name, seed, {}))
            print(name, seed, results[name][-1], flush=True)
        for name, settings in WITHOUT.items():
            results.setdefault(name, []).append(contest("capas", seed, {"settings": settings}))
            print(name, seed, results[name][-1], flush=True)
        for name in CONTESTANTS:
            reached = contest(name, seed, {"epochs": 12, "target": 0.975})
            results.setdefault(f"{name} to 97.5 %", []).append(reached)
    running = [name for name in CONTESTANTS if "failed" not in results[name][0]]
    fastest = max((n for n in running if n != "capas"), key=lambda n: _median(results[n], "images_per_s"))
    base = _median(results[fastest], "images_per_s")
    rows = [_row(name, results, base) for name in running]
    gone = [[name, results[name][0]["reason"]] for name in CONTESTANTS if name not in running]
    choices = [
        [
            name,
            spread([r["images_per_s"] for r in results[name]], 0),
            f"{_median(results[name], 'images_per_s') / base:.2f}",
        ]
        for name in WITHOUT
    ]
    text = "\n\n".join(
        [
            __doc__ or "",
            table(["loop", "images/s, median (range)", f"× {fastest}", "test accuracy (95 %)", "s to 97.5 %"], rows),
            "## What each choice gives",
            table(["Capas", "images/s, median (range)", f"× {fastest}"], choices),
            *([f"Did not run: {gone}"] if gone else []),
        ]
    )
    keep("faster-than-loops", "Faster than the usual loops", text, facts, {"runs": results})


def _median(runs: list[dict[str, float]], key: str) -> float:
    return statistics.median(run[key] for run in runs)


def _row(name: str, results: dict[str, list[dict[str, float]]], base: float) -> list[object]:
    runs = results[name]
    hits = rate(int(sum(run["hits"] for run in runs)), int(sum(run["n"] for run in runs)))
    low, high = hits.interval
    accuracy = f"{100 * hits.value:.2f} % ({100 * low:.2f}–{100 * high:.2f}), n = {len(runs)}×{runs[0]['n']:.0f}"
    reached = [run["seconds_to_target"] for run in results[f"{name} to 97.5 %"] if run.get("seconds_to_target")]
    speed = [run["images_per_s"] for run in runs]
    return [name, spread(speed, 0), f"{statistics.median(speed) / base:.2f}", accuracy,
            spread(reached, 1) if len(reached) == len(runs) else f"in {len(reached)} of {len(runs)} runs"]  # fmt: skip


if __name__ == "__main__":
    main()
