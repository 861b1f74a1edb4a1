"""Few labels: digits learnt from 10, 100 and 1,000 labels, from nothing, after learning without labels, as a student.

Training part of MNIST-5k: 4,000 digits, of which so many have labels, the same number of each class, drawn by the seed;
the other ones are used without. Test: its 1,000 digits.

- from scratch: ``capas train FEW``;
- pretrained without labels: ``capas train ALL --task embed`` (SimCLR) once per seed, then
  ``capas train FEW --init-from RUN``;
- noisy student: ``capas train FEW --method noisy-student --unlabelled ALL`` (from 100 labels on; a teacher of ten
  labels has nothing to teach).

``CAPAS_SEEDS``, ``CAPAS_EPOCHS`` (of the pretraining) and ``CAPAS_LABELS`` choose less.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.record import conditions, keep, spread, table
from capas.data.sources.samples import open_sample

SEEDS = [int(seed) for seed in os.environ.get("CAPAS_SEEDS", "1,2,3").split(",")]
EPOCHS = float(os.environ.get("CAPAS_EPOCHS", "40"))
LABELS = [int(count) for count in os.environ.get("CAPAS_LABELS", "10,100,1000").split(",")]
WIDTH = 16


def lay_out(root: Path, seed: int) -> None:
    """``all`` without labels, ``few-N/train/CLASS`` and ``few-N/test/CLASS``."""
    sample, rng = open_sample("mnist5k"), np.random.default_rng(seed)
    labels = np.array([str(label) for label in sample.labels])
    tested = np.array([part == "test" for part in sample.fixed_split])
    (root / "all").mkdir(parents=True)
    for i in np.flatnonzero(~tested):
        Image.fromarray(sample.images.decode(int(i))[..., 0]).save(root / "all" / f"{i:05d}.png")
    for count in LABELS:
        few = root / f"few-{count}"
        for name in sorted(set(labels)):
            own = rng.permutation(np.flatnonzero((labels == name) & ~tested))[: count // 10]
            for side, chosen in (("train", own), ("test", np.flatnonzero((labels == name) & tested))):
                (few / side / name).mkdir(parents=True, exist_ok=True)
                for i in chosen:
                    Image.fromarray(sample.images.decode(int(i))[..., 0]).save(few / side / name / f"{i:05d}.png")


def accuracy(data: Path, out: Path, seed: int, *options: str) -> float:
    """Percent right on the test of a training; of one without labels, how many are known again."""
    command = [sys.executable, "-m", "capas.cli.main", "train", str(data), "--seed", str(seed), "--out", str(out),
               "--report", "none", "--json", "--set", "data.validation=0.2", *options]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr + done.stdout)
    metrics = json.loads(done.stdout)["metrics"]
    return float(100 * next(iter(metrics.values()))["value"])


def main() -> None:
    """Measure every way at every number of labels."""
    facts = conditions("few-labels") | {"seeds": len(SEEDS), "epochs_without_labels": EPOCHS}
    found: dict[str, dict[str, list[float]]] = {}
    width = ("--set", f"network.width={WIDTH}")
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            lay_out(root, seed)
            before = root / "pretrained"
            accuracy(root / "all", before, seed, "--task", "embed", "--set", f"train.epochs={EPOCHS}", *width)
            for count in LABELS:
                few = root / f"few-{count}"
                ways = {"from scratch": width, "pretrained without labels": ("--init-from", str(before))}
                if count >= 100:
                    student = ("--method", "noisy-student", "--unlabelled", str(root / "all"))
                    ways["noisy student"] = (*student, *width)
                for way, options in ways.items():
                    right = accuracy(few, root / f"{count}-{way.replace(' ', '-')}", seed, *options)
                    found.setdefault(way, {}).setdefault(str(count), []).append(right)
                    print(seed, count, way, right, flush=True)
    rows = [
        [way, *(spread(part[str(count)]) if str(count) in part else "–" for count in LABELS)]
        for way, part in found.items()
    ]
    heads = ["right on 1,000 test digits, %", *(f"{count} labels" for count in LABELS)]
    keep("few-labels", "Few labels", (__doc__ or "") + "\n" + table(heads, rows), facts, dict(found))


if __name__ == "__main__":
    main()
