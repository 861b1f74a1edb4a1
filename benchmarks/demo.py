"""The main job: ``capas train sample:mnist5k`` as ``make demo`` runs it, three seeds.

Expected: ≥ 98.5 % of the 1,000 test digits right, training ≤ 60 s on 2 idle cores.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.record import conditions, keep, table

SEEDS = (1, 2, 3)


def main() -> None:
    """One run a seed."""
    facts = conditions("demo")
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in SEEDS:
            out = Path(folder) / str(seed)
            command = [sys.executable, "-m", "capas.cli.main", "train", "sample:mnist5k", "--seed", str(seed)]
            printed = subprocess.run(
                [*command, "--out", str(out), "--json"], check=True, capture_output=True, text=True
            )
            runs.append({**json.loads(printed.stdout), "run": seed})
            print(json.dumps(runs[-1]), flush=True)
    rows = []
    for run in runs:
        accuracy, linear = run["metrics"]["accuracy"], run["baseline"]["logistic_regression"]["accuracy"]
        low, high = accuracy["interval"]
        rows.append(
            [run["run"], f"{100 * accuracy['value']:.1f} % ({100 * low:.1f}–{100 * high:.1f})",
             f"{100 * linear['value']:.1f} %", f"{run['seconds']:.0f}"]
        )  # fmt: skip
    heads = ["seed", "test accuracy (95 %, n = 1,000)", "a linear model", "training s"]
    keep("demo", "The main job", (__doc__ or "") + "\n" + table(heads, rows), facts, {"runs": runs})


if __name__ == "__main__":
    main()
