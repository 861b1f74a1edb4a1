"""Numbers: two tables and a set of pictures, against gradient boosting, with intervals that should hold 90 %.

- Auto MPG (mlxtend, 392 cars): fuel economy in miles per gallon.
- Diabetes (scikit-learn, 442 patients): progression after a year, a score.
- Pictures (3,000 drawings of a line made here, 32×32, with noise): the angle of the line in degrees, 0..90.

Three runs of each table and one of the pictures, every one with another split: a column says which rows are for the
test. Expected: a lower mean error than gradient boosting, or that it is said; coverage near 90 %.

The answer for a table is the weighted mean of ADR 0016; pictures have the network alone.
"""

import csv
import json
import math
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.record import conditions, keep, table
from benchmarks.trained import figure, train

SEEDS = (1, 2, 3)


def write(path: Path, heads: Sequence[str], rows: Sequence[Sequence[object]], seed: int) -> Path:
    """A table whose test rows are drawn by ``seed``."""
    chance = np.random.default_rng(seed)
    sides = chance.choice(["train", "val", "test"], len(rows), p=[0.7, 0.15, 0.15])
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["split", *heads])
        writer.writerows([[side, *row] for side, row in zip(sides, rows, strict=True)])
    return path


def cars(folder: Path, seed: int) -> Path:
    from mlxtend.data import autompg_data

    inputs, targets = autompg_data()
    heads = ["cylinders", "displacement", "horsepower", "weight", "acceleration", "year", "origin", "economy_mpg"]
    origins = {1: "USA", 2: "Europe", 3: "Japan"}
    rows = [[*row[:6], origins[int(row[6])], target] for row, target in zip(inputs, targets, strict=True)]
    return write(folder / f"cars-{seed}.csv", heads, rows, seed)


def patients(folder: Path, seed: int) -> Path:
    from sklearn.datasets import load_diabetes

    data = load_diabetes(scaled=False)
    rows = [[*row, target] for row, target in zip(data.data, data.target, strict=True)]
    return write(folder / f"patients-{seed}.csv", [*data.feature_names, "progression"], rows, seed)


def lines(folder: Path, seed: int) -> Path:
    """Drawings of lines at every angle."""
    chance = np.random.default_rng(seed)
    root = folder / f"lines-{seed}"
    root.mkdir()
    rows = []
    for i in range(3000):
        angle = chance.uniform(0, 90)
        length, x, y = chance.uniform(8, 13), *chance.uniform(14, 18, 2)
        dx, dy = length * math.cos(math.radians(angle)), length * math.sin(math.radians(angle))
        picture = Image.new("L", (32, 32), 30)
        ImageDraw.Draw(picture).line((x - dx, y + dy, x + dx, y - dy), fill=200, width=2)
        pixels = np.asarray(picture) + chance.normal(0, 25, (32, 32))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / f"{i:04d}.png")
        rows.append([f"{i:04d}.png", f"{angle:.3f}"])
    return write(root / "table.csv", ["file", "angle_deg"], rows, seed)


def main() -> None:
    """All three."""
    facts = conditions("regression")
    rows, measured = [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, make in (("Auto MPG (mpg)", cars), ("Diabetes (score)", patients), ("Angle of a line (°)", lines)):
            runs = []
            for seed in SEEDS if make is not lines else SEEDS[:1]:
                data = make(folder, seed)
                run = train(data, folder / f"run-{make.__name__}-{seed}", (), "--seed", str(seed))
                runs.append({key: run[key] for key in ("metrics", "baseline", "seconds")})
                print(title, seed, json.dumps(run["metrics"]["mae"]), flush=True)  # type: ignore[index]
            measured[title] = runs
            rows.append(_row(title, runs))
    heads = ["data", "runs", "mean error", "gradient boosting", "ridge", "median", "better than boosting",
             "inside the 90 % interval", "its width"]  # fmt: skip
    keep("regression", "Numbers", (__doc__ or "") + "\n" + table(heads, rows), facts, measured)


def _row(title: str, runs: list[dict[str, object]]) -> list[object]:
    ours = [float(str(figure(run, "mae")["value"])) for run in runs]
    beside = {name: [run["baseline"].get(name, {}).get("mae", {}).get("value", math.nan) for run in runs]  # type: ignore[attr-defined]
              for name in ("gradient_boosting", "ridge", "median")}  # fmt: skip
    held = [float(str(figure(run, "coverage")["value"])) for run in runs]
    width = [float(str(figure(run, "interval_width")["value"])) for run in runs]
    boosted = beside["gradient_boosting"]
    known = not any(map(math.isnan, boosted))
    wins = f"{sum(a < b for a, b in zip(ours, boosted, strict=True))} of {len(runs)}" if known else "—"
    shown = [
        f"{statistics.mean(values):.2f}" if not any(map(math.isnan, values)) else "—" for values in beside.values()
    ]
    return [title, len(runs), f"**{statistics.mean(ours):.2f}**", *shown, wins,
            f"{100 * statistics.mean(held):.0f} %", f"{statistics.mean(width):.1f}"]  # fmt: skip


if __name__ == "__main__":
    main()
