"""Samples of a generator for a rare class: does its recall rise?

MNIST-5k: 400 training digits of each class but 3, 5 and 8, of which there are 20; of the 1,000 test digits half are
for validation, half for the test. A generator (``capas train --task generate``, DCGAN and diffusion, ``CAPAS_SECONDS``
each, 600) learns from the same training digits; then a classifier is trained with its defaults

- plain,
- with the rare classes weighing more (``objective.class_weights=balanced``),
- with ``--augment-with`` each generator: 80 samples of each rare class, four for each of its digits.

Recall of the three rare classes together, and accuracy on all. Expected: hardly more recall, for the generator knows
twenty digits of each too (Ravuri & Vinyals 2019 found the like on ImageNet). ``CAPAS_SEEDS`` (1,2,3).
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from benchmarks.record import conditions, keep, spread, table
from capas.data.sources.samples import open_sample

SECONDS: Final = float(os.environ.get("CAPAS_SECONDS", "600"))
SEEDS: Final = tuple(map(int, os.environ.get("CAPAS_SEEDS", "1,2,3").split(",")))
GENERATORS: Final = ("dcgan", "ddpm")
RARE: Final = ("3", "5", "8")
FEW: Final = 20


def lay_out(folder: Path, seed: int) -> Path:
    """Class folders below ``train``, ``validation`` and ``test``."""
    sample, rng = open_sample("mnist5k"), np.random.default_rng(seed)
    labels = np.array([str(label) for label in sample.labels])
    tested = np.array([part == "test" for part in sample.fixed_split])
    for name in sorted(set(labels)):
        own = rng.permutation(np.flatnonzero((labels == name) & ~tested))[: FEW if name in RARE else None]
        others = np.flatnonzero((labels == name) & tested)
        for side, chosen in (("train", own), ("validation", others[::2]), ("test", others[1::2])):
            (folder / side / name).mkdir(parents=True)
            for i in chosen:
                Image.fromarray(sample.images.decode(int(i))[..., 0]).save(folder / side / name / f"{i:05d}.png")
    return folder


def learn(data: Path, out: Path, seed: int, *options: str) -> dict[str, object]:
    """One run of the command line: its metrics."""
    command = [sys.executable, "-m", "capas.cli.main", "train", str(data), "--seed", str(seed), "--report", "none",
               "--out", str(out), "--json", *options]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr + done.stdout)
    tree: dict[str, object] = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    return tree


def figures(tree: Mapping[str, object]) -> dict[str, float]:
    """Recall of the rare classes together and accuracy, in percent."""
    classes = tree["per_class"]
    assert isinstance(classes, Mapping)
    recalls = [classes[name]["recall"] for name in RARE]
    right = sum(one["value"] * one["n"] for one in recalls)
    metrics = tree["metrics"]
    assert isinstance(metrics, Mapping)
    return {"rare": 100 * right / sum(one["n"] for one in recalls), "accuracy": 100 * metrics["accuracy"]["value"]}


def main() -> None:
    """Every way for every seed."""
    facts = conditions("augment-with") | {"seconds": SECONDS, "seeds": len(SEEDS)}
    found: dict[str, list[dict[str, float]]] = {}
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            data = lay_out(root / "data", seed)
            ways: dict[str, Sequence[str]] = {
                "plain": ("--set", "objective.class_weights=none"),
                "rare classes weigh more": ("--set", "objective.class_weights=balanced"),
            }
            for network in GENERATORS:
                out = root / network
                learn(data, out, seed, "--task", "generate", "--network", network, "--set",
                      f"train.time_s={SECONDS}", "--set", "generation.samples=100")  # fmt: skip
                ways[f"samples of {network}"] = ("--augment-with", str(out), "--set", "objective.class_weights=none")
            for way, options in ways.items():
                found.setdefault(way, []).append(figures(learn(data, root / way.replace(" ", "-"), seed, *options)))
                print(seed, way, found[way][-1], flush=True)
    rows = [
        [way, spread([run["rare"] for run in runs]), spread([run["accuracy"] for run in runs])]
        for way, runs in found.items()
    ]
    heads = ["trained", "recall of 3, 5 and 8, %", "accuracy, %"]
    keep("augment-with", "Samples for rare classes", f"{__doc__}\n{table(heads, rows)}", facts, dict(found))


if __name__ == "__main__":
    main()
