"""Learning without labels: what can be read from the vectors of every method, beside an untrained network and PCA.

Each method learns from the training part without its labels (``capas train --task embed``), all with the same number of
epochs. Then the vectors of training and test part are judged by labels that no method saw:

- kNN: the 20 nearest training vectors vote (cosine);
- probe: a logistic regression on the vectors.

Beside them: the same network with random weights, 30 principal components of the pixels (or mel values), and the
pretrained network where there is one. Expected: 10 points above the untrained network; where a method does not reach
that, it stands here all the same.

- MNIST-5k: 4,000 + 1,000 digits.
- Fashion-MNIST: the first 10,000 of the training part, the first 2,000 of the test part.
- Spoken digits: two speakers to learn from, two others as test.

``CAPAS_SETS`` (names, separated by commas), ``CAPAS_SEEDS`` and ``CAPAS_EPOCHS`` choose less.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmarks.record import conditions, keep, spread, table
from benchmarks.trained import given
from capas.data.sources.samples import open_sample
from capas.engine.recipes.embedding.objectives import METHODS
from capas.metrics.representation import collapse, knn_accuracy, linear_probe_accuracy
from capas.representation.data_items import open_data_items
from capas.representation.embed import embed_to
from capas.representation.encoders import open_encoder
from capas.representation.vectors import Vectors

SEEDS = [int(seed) for seed in os.environ.get("CAPAS_SEEDS", "1,2,3").split(",")]
EPOCHS = {"MNIST-5k": 30.0, "Fashion-MNIST": 15.0, "Spoken digits": 40.0}
WIDTHS = {"image": 8, "audio": 32}
PCA_DIMENSIONS = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledSet:
    """Examples in a folder ``train`` and a folder ``test``; the class is the beginning of a file's name."""

    name: str
    medium: str
    folder: Path

    def split(self, vectors: Vectors) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Training vectors and classes, test vectors and classes."""
        matrix = torch.from_numpy(np.array(vectors.matrix, dtype=np.float32))
        classes = [Path(item.name).name.partition("_")[0] for item in vectors.items]
        names = sorted(set(classes))
        labels = torch.tensor([names.index(one) for one in classes])
        test = torch.tensor([item.name.startswith("test/") for item in vectors.items])
        return matrix[~test], labels[~test], matrix[test], labels[test]


def write_pictures(folder: Path, sample: str, train: int | None, test: int | None) -> None:
    """Write the pictures of a sample as files."""
    opened, counts = open_sample(sample), {"train": 0, "test": 0}
    limits = {"train": train, "test": test}
    for i, (part, label) in enumerate(zip(opened.fixed_split, opened.labels, strict=True)):
        side = "test" if part == "test" else "train"
        limit = limits[side]
        if limit is not None and counts[side] >= limit:
            continue
        counts[side] += 1
        (folder / side).mkdir(parents=True, exist_ok=True)
        pixels: NDArray[np.uint8] = opened.images.decode(i)
        name = str(label).replace("/", "-").replace("_", "-")
        Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(folder / side / f"{name}_{i:05d}.png")


def link_sounds(folder: Path) -> None:
    """Two speakers for training, two for the test."""
    sounds = sorted(given("spoken-digits").glob("*.wav"))
    speakers = sorted({sound.stem.split("_")[1] for sound in sounds})
    for sound in sounds:
        side = "test" if sound.stem.split("_")[1] in speakers[2:] else "train"
        (folder / side).mkdir(parents=True, exist_ok=True)
        (folder / side / sound.name).write_bytes(sound.read_bytes())


def labelled_sets(root: Path) -> list[LabelledSet]:
    """The sets that are asked for."""
    wanted = os.environ.get("CAPAS_SETS", ",".join(EPOCHS)).split(",")
    found = []
    for name in wanted:
        folder = root / name.replace(" ", "-")
        if name == "MNIST-5k":
            write_pictures(folder, "mnist5k", None, None)
        elif name == "Fashion-MNIST":
            write_pictures(folder, "fashion-mnist", 10_000, 2_000)
        else:
            link_sounds(folder)
        found.append(LabelledSet(name=name, medium="audio" if name == "Spoken digits" else "image", folder=folder))
    return found


def learn(of: LabelledSet, out: Path, method: str, seed: int, epochs: float, *options: str) -> float:
    """Train an encoder on the training part alone; seconds."""
    command = [
        sys.executable, "-m", "capas.cli.main", "train", str(of.folder / "train"), "--task", "embed", "--method",
        method, "--seed", str(seed), "--out", str(out), "--report", "none", "--json", "--set",
        f"train.epochs={epochs}", *options,
    ]  # fmt: skip
    if METHODS[method].network != "vit":
        command += ["--set", f"network.width={WIDTHS[of.medium]}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr + done.stdout)
    return float(json.loads(done.stdout)["seconds"])


def judged(of: LabelledSet, encoder: str, out: Path, *, pca: bool = False) -> dict[str, object]:
    """kNN and probe of an encoder's vectors, in percent, and their effective rank."""
    vectors = embed_to(out, open_encoder(encoder), open_data_items(str(of.folder)))
    train, classes, test, test_classes = of.split(vectors)
    if pca:
        from sklearn.decomposition import PCA

        fitted = PCA(PCA_DIMENSIONS, random_state=0).fit(train.numpy())
        train, test = (torch.from_numpy(fitted.transform(part.numpy()).astype(np.float32)) for part in (train, test))
    return {
        "kNN": 100 * knn_accuracy(train, classes, test, test_classes).value,
        "probe": 100 * linear_probe_accuracy(train, classes, test, test_classes).value,
        "rank": collapse(test).effective_rank, "dimensions": train.shape[1], "n": len(test),
    }  # fmt: skip


Found = dict[str, list[dict[str, object]]]


def measure(of: LabelledSet, root: Path, keep_so_far: Callable[[Found], None]) -> None:
    """Every method and what stands beside it, each as often as there are seeds; kept after each of them."""
    epochs = float(os.environ.get("CAPAS_EPOCHS", EPOCHS[of.name]))
    plain = "pixels" if of.medium == "image" else "mel-statistics"
    beside = {f"PCA of {plain}": [judged(of, plain, root / f"{of.folder.name}-pca", pca=True)]}
    if of.medium == "image":
        lite0 = judged(of, "efficientnet-lite0@64", root / f"{of.folder.name}-lite0")
        beside["EfficientNet-Lite0 (ImageNet)"] = [lite0]
    found: Found = {}
    for seed in SEEDS:
        for method, row in METHODS.items():
            if of.medium not in row.media:
                continue
            run = root / f"{of.folder.name}-{method}-{seed}"
            seconds = learn(of, run, method, seed, epochs)
            result = {**judged(of, str(run), root / f"{run.name}-vectors"), "seconds": seconds}
            found.setdefault(method, []).append(result)
            print(of.name, method, seed, json.dumps(result), flush=True)
        for title, method in (("untrained", "simclr"), ("untrained transformer", "mae")):
            if of.medium not in METHODS[method].media:
                continue
            run = root / f"{of.folder.name}-{title}-{seed}"
            # A rate of nearly nothing: the network is the one that this method would start from.
            learn(of, run, method, seed, 0.01, "--set", "optim.learning_rate=1e-12")
            found.setdefault(title, []).append(judged(of, str(run), root / f"{run.name}-vectors"))
            print(of.name, title, seed, json.dumps(found[title][-1]), flush=True)
        keep_so_far({**found, **beside})


def rows_of(name: str, found: Mapping[str, Sequence[Mapping[str, object]]]) -> list[list[str]]:
    """The table's rows of one set."""
    rows = []
    for title, runs in found.items():
        own = METHODS.get(title)
        start = found.get("untrained transformer" if own is not None and own.network == "vit" else "untrained")
        cells = [name, title]
        for figure in ("kNN", "probe"):
            values = [float(str(run[figure])) for run in runs]
            cells.append(spread(values) if len(values) > 1 else f"{values[0]:.1f}")
        gain = ""
        if own is not None and start is not None:
            means = [np.mean([float(str(run["probe"])) for run in part]) for part in (runs, start)]
            gain = f"{means[0] - means[1]:+.1f}"
        rank = np.median([float(str(run["rank"])) for run in runs])
        seconds = [float(str(run["seconds"])) for run in runs if "seconds" in run]
        rows.append(
            [*cells, gain, f"{rank:.1f} of {runs[0]['dimensions']}", f"{np.median(seconds):.0f}" if seconds else ""]
        )
    return rows


def main() -> None:
    """Measure the sets one after another."""
    facts = conditions("representation")
    facts |= {"seeds": len(SEEDS), "epochs": os.environ.get("CAPAS_EPOCHS", json.dumps(EPOCHS))}
    torch.set_num_threads(2)
    measured: dict[str, Found] = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for of in labelled_sets(root):

            def keep_so_far(found: Found, name: str = of.name) -> None:
                measured[name] = found
                rows = [row for data, part in measured.items() for row in rows_of(data, part)]
                heads = [
                    "data",
                    "vectors by",
                    "kNN, %",
                    "probe, %",
                    "probe − untrained",
                    "effective rank",
                    "training s",
                ]
                text = (__doc__ or "") + "\n" + table(heads, rows)
                done = {name: max(map(len, part.values())) for name, part in measured.items()}
                keep("representation", "Learning without labels", text, facts | {"seeds": done}, dict(measured))

            measure(of, root, keep_so_far)


if __name__ == "__main__":
    main()
