"""Fashion-MNIST: test accuracy after 5 minutes and after the long training, three seeds.

Expected: ≥ 94.5 % in ≤ 40 minutes on 2 cores, aiming at 95.3 (others' published results on the same data: two-layer
CNN 91.6–93, ResNet-18 94.9, Wide ResNet 95.9). Validation is carved out of the training part (5 %); the test part is
read once per run, at its end. The recipe was chosen on the validation split alone. Every run computes on one thread,
and as many run side by side as there are cores.
"""

import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.record import conditions, keep, spread, table
from capas.core.device import physical_cores

SEEDS = (1, 2, 3)
SHORT, LONG = "5m", "30m"
WIDTHS = {SHORT: 16, LONG: 24}
SETTINGS = ("data.validation=0.05", "execution.threads=1")


def train(budget: str, seed: int, folder: Path) -> dict[str, object]:
    """One run of the command line; what ``capas train --json`` printed, and the seconds of the whole command."""
    out = folder / f"{budget}-{seed}"
    command = [sys.executable, "-m", "capas.cli.main", "train", "sample:fashion-mnist", "--json"]
    command += ["--time", budget, "--seed", str(seed), "--out", str(out)]
    for setting in (*SETTINGS, f"network.width={WIDTHS[budget]}"):
        command += ["--set", setting]
    started = time.perf_counter()
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result: dict[str, object] = json.loads(printed)
    card = json.loads((out / "bundle" / "card.json").read_text())
    events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    validations = [event["value"] for event in events if event["event"] == "evaluated"]
    measured = {
        "budget": budget,
        "seed": seed,
        "accuracy": result["metrics"]["accuracy"],  # type: ignore[index]
        "best_validation": max(validations),
        "linear": result["baseline"]["logistic_regression"]["accuracy"]["value"],  # type: ignore[index]
        "training_s": result["seconds"],
        "command_s": round(time.perf_counter() - started, 1),
        "execution": {k: card["provenance"][k] for k in ("precision", "memory_format", "threads", "steps")},
        "parameters": card["network"]["parameters"],
    }
    print(json.dumps(measured), flush=True)
    return measured


def _row(run: dict[str, object]) -> list[object]:
    accuracy = run["accuracy"]
    assert isinstance(accuracy, dict)
    low, high = accuracy["interval"]
    shown = f"{100 * accuracy['value']:.2f} % ({100 * low:.2f}–{100 * high:.2f})"
    validation = f"{100 * float(str(run['best_validation'])):.2f} %"
    return [run["budget"], run["seed"], shown, validation, run["training_s"], run["command_s"]]


def main() -> None:
    """Three seeds of both budgets, the long runs first."""
    facts = conditions("fashion-mnist")
    tasks = [(LONG, seed) for seed in SEEDS] + [(SHORT, seed) for seed in SEEDS]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(physical_cores()) as pool:
        runs = list(pool.map(lambda task: train(*task, Path(folder)), tasks))
    rows: list[list[object]] = []
    for budget in (SHORT, LONG):
        chosen = [run for run in runs if run["budget"] == budget]
        rows += [_row(run) for run in chosen]
        values = [100 * run["accuracy"]["value"] for run in chosen]  # type: ignore[index]
        rows.append([budget, "median (range)", f"**{spread(values, 2)} %**", "", "", ""])
    heads = ["budget", "seed", "test accuracy (95 % interval, n = 10,000)", "validation", "training s", "command s"]
    text = (__doc__ or "") + "\n" + table(heads, rows)
    keep("fashion-mnist", "Fashion-MNIST", text, facts, {"runs": runs})


if __name__ == "__main__":
    main()
