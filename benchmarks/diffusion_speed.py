"""Speed of diffusion against diffusers: images/s learnt from and drawn, with the same network.

A U-Net of three resolutions (32, 64 and 64 channels, attention at the lowest), MNIST-5k at 28×28, batches of 128,
v-prediction with the cosine schedule, moving average, clipped gradients. diffusers 0.42.1 as its unconditional training
script has it (without accelerate, whose default on a CPU changes nothing); Capas as a run of the command line does,
with number format, memory layout and threads as it measures them. Then 64 digits each by DDIM in 20 steps. Each
contestant is a process of its own; rounds go A B A B A B, so that a slow moment of the machine hits both. Importing and
reading are not counted.

Expected: Capas ≥ 1.5 × in both. denoising-diffusion-pytorch imports torchvision, which has no CPU build for this torch,
and does not run here.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.record import conditions, keep, spread, table

ROOT = Path(__file__).parent.parent
PEERS = ROOT / ".venv-bench-diffusion"
INSTALL = (["torch==2.13.0"], ["diffusers==0.42.1", "numpy"])
CONTESTANTS = {"capas": "capas_diffusion_loop.py", "diffusers": "diffusers_loop.py"}
ROUNDS = int(os.environ.get("CAPAS_ROUNDS", "3"))
TASK = {"steps": 25, "batch": 128, "drawn": 64}
FIGURES = {"train_images_per_s": "learnt from, images/s", "drawn_per_s": "drawn, images/s"}


def peers_python() -> Path:
    """The interpreter of diffusers' own environment, set up when it is missing."""
    if given := os.environ.get("CAPAS_DIFFUSERS_PYTHON"):
        return Path(given)
    python = PEERS / "bin" / "python"
    if not (PEERS / ".ready").exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
        for packages in INSTALL:
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (PEERS / ".ready").touch()
    return python


def contest(name: str, seed: int) -> dict[str, float]:
    """Let one contestant learn and draw in a process of its own."""
    python = sys.executable if name == "capas" else str(peers_python())
    script = Path(__file__).parent / "peers" / CONTESTANTS[name]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    done = subprocess.run(
        [python, script, json.dumps({**TASK, "seed": seed})],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def main() -> None:
    """Both in turn."""
    facts = conditions("diffusion-speed")
    results: dict[str, list[dict[str, float]]] = {name: [] for name in CONTESTANTS}
    for seed in range(1, ROUNDS + 1):
        for name in CONTESTANTS:
            results[name].append(contest(name, seed))
            print(name, results[name][-1], flush=True)
    rows = []
    for name, runs in results.items():
        row: list[object] = [name, f"{runs[0]['parameters']:,.0f}"]
        for figure in FIGURES:
            ratios = [own[figure] / other[figure] for own, other in zip(runs, results["diffusers"], strict=True)]
            row += [spread([run[figure] for run in runs], 0), f"{statistics.median(ratios):.2f}"]
        rows.append(row)
    heads = ["", "parameters", FIGURES["train_images_per_s"], "× diffusers", FIGURES["drawn_per_s"], "× diffusers"]
    keep("diffusion-speed", "Speed of diffusion", f"{__doc__}\n\n{table(heads, rows)}", facts, dict(results))


if __name__ == "__main__":
    main()
