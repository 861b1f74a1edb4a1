"""Depth: plain networks of 20 and 56 layers against their residual twins, and a residual one of 110; three seeds.

He et al. 2015 (arXiv:1512.03385), figure 6, on small pictures: MNIST-5k brought to 12×12, 4,000 to learn from, no
augmentation, no averaging of weights, the paper's own SGD (momentum 0.9, weight decay 1e-4) with a peak rate of 0.1.

Expected: plain-56 has a higher *training* error than plain-20; with shortcuts the deeper trains better than without;
110 layers train (one seed).
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks.record import conditions, keep, spread, table
from capas.data.sources.samples import open_sample
from capas.engine.predict import load_model

SEEDS = (1, 2, 3)
NETWORKS = ("plain-20", "plain-56", "resnet-cifar-20", "resnet-cifar-56", "resnet-cifar-110")
SETTINGS = (
    "data.image_size=12", "data.validation=0", "train.epochs=4", "train.batch_size=64", "optim.learning_rate=0.1",
    "optim.weight_decay=1e-4", "optim.ema=0", "objective.label_smoothing=0", "augment.crop=0", "augment.cutout=0",
)  # fmt: skip


def train(network: str, seed: int, out: Path) -> dict[str, float]:
    """One run; training error and test error in 0..1, training seconds."""
    command = [sys.executable, "-m", "capas.cli.main", "train", "sample:mnist5k", "--json", "--network", network]
    command += ["--seed", str(seed), "--out", str(out)]
    for setting in SETTINGS:
        command += ["--set", setting]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {
        "training_error": training_error(out),
        "test_error": 1 - result["metrics"]["accuracy"]["value"],
        "seconds": result["seconds"],
    }


def training_error(run: Path) -> float:
    """The share of the training pictures, as they are, that the finished model gets wrong."""
    model, sample = load_model(run), open_sample("mnist5k")
    used = [i for i, part in enumerate(sample.fixed_split) if part == "train"]
    wrong = 0
    for part in torch.split(torch.tensor(used), 200):
        answers = model.predict([sample.images.decode(i) for i in part.tolist()], batch_size=200)
        wrong += sum(a.prediction != sample.labels[i] for a, i in zip(answers, part.tolist(), strict=True))
    return wrong / len(used)


def main() -> None:
    """All networks, seed by seed."""
    facts = conditions("residual")
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in NETWORKS}
    with tempfile.TemporaryDirectory() as folder:
        for seed in SEEDS:
            for name in NETWORKS if seed == SEEDS[0] else NETWORKS[:-1]:
                runs[name].append(train(name, seed, Path(folder) / f"{name}-{seed}"))
                print(seed, name, runs[name][-1], flush=True)
    rows = [
        [name, *(spread([100 * r[key] for r in runs[name]], 2) + " %" for key in ("training_error", "test_error")),
         " ".join(f"{100 * run['training_error']:.2f}" for run in runs[name]),
         spread([run["seconds"] for run in runs[name]], 0)]
        for name in NETWORKS
    ]  # fmt: skip
    worse = sum(
        a["training_error"] > b["training_error"] for a, b in zip(runs["plain-56"], runs["plain-20"], strict=True)
    )
    reversed_ = sum(
        deep["training_error"] < plain["training_error"]
        for deep, plain in zip(runs["resnet-cifar-56"], runs["plain-56"], strict=True)
    )
    verdict = (
        f"plain-56 trains worse than plain-20 in {worse} of {len(SEEDS)} seeds; "
        f"with shortcuts 56 layers train better than without in {reversed_} of {len(SEEDS)}."
    )
    heads = ["network", "training error, median (range)", "test error", "training error by seed", "training s"]
    text = "\n\n".join([__doc__ or "", table(heads, rows), verdict])
    keep("residual", "Depth and shortcuts", text, facts, {"runs": runs})


if __name__ == "__main__":
    main()
