"""Drawing digits, from 2014 to 2020: the same pictures, the same time, the same test.

MNIST-5k (4,000 digits to learn from, 500 of the 1,000 test digits as validation, the others as test): every network of
``--task generate`` learns for ``CAPAS_SECONDS`` (600) on this machine, with its defaults, each class on demand. Then it
draws 500 digits, of all classes in turn; its report's figures are those of ``metrics.json``: coverage and density, KID
and FID with their features named, near copies, and the accuracy on real digits of a linear classifier that learnt from
the samples alone. Beside them other real digits, as many: what is as good as can be. ``CAPAS_SEEDS`` (1,2,3).

Near copies: the default network, trained for as many steps on 100, 1,000 and 4,000 digits.

The first ten samples of every network, none chosen, are in ``generation.png``, a row for each.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import capas
from benchmarks.record import RESULTS, conditions, keep, spread, table
from capas.core.number_format import format_metric, metric_value
from capas.data.sources.samples import open_sample

SECONDS: Final = float(os.environ.get("CAPAS_SECONDS", "600"))
SEEDS: Final = tuple(map(int, os.environ.get("CAPAS_SEEDS", "1,2,3").split(",")))
NETWORKS: Final = tuple(os.environ.get("CAPAS_NETWORKS", "gan,dcgan,stylegan2,stylegan3,ddpm").split(","))
COPIED: Final = tuple(filter(None, os.environ.get("CAPAS_COPIED", "100,1000,4000").split(",")))
TEST, SAMPLES, SHOWN = 500, 500, 10
FIGURES: Final = ("sample_coverage", "sample_density", "kid", "fid", "near_copies", "class_accuracy_score")


def lay_out(folder: Path, train: int) -> Path:
    """Class folders below ``train``, ``validation`` and ``test``."""
    sample = open_sample("mnist5k")
    parts = {side: [i for i, part in enumerate(sample.fixed_split) if (part == "test") == (side == "test")]
             for side in ("train", "test")}  # fmt: skip
    # They lie by digit: some of them are taken from all over.
    some = np.linspace(0, len(parts["train"]) - 1, train).round().astype(int)
    for side, chosen in (
        ("train", [parts["train"][i] for i in some]), ("validation", parts["test"][::2]), ("test", parts["test"][1::2])
    ):  # fmt: skip
        for i in chosen:
            target = folder / side / str(sample.labels[i]) / f"{i:05d}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.squeeze(sample.images.decode(i))).save(target)
    return folder


def learn(data: Path, out: Path, seed: int, settings: Mapping[str, object]) -> dict[str, object]:
    """One run of the command line, and what its test says."""
    command = [sys.executable, "-m", "capas.cli.main", "train", str(data), "--task", "generate", "--seed", str(seed)]
    command += ["--report", "none", "--out", str(out), "--json", "--set", f"generation.samples={SAMPLES}"]
    for key, value in settings.items():
        command += ["--set", f"{key}={json.dumps(value)}"]
    subprocess.run(command, check=True, capture_output=True)
    tree: dict[str, object] = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    return tree


def row_of(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images side by side, four times as large."""
    return np.kron(np.concatenate(list(images), axis=1), np.ones((4, 4), np.uint8))


def figures_row(name: str, runs: Sequence[Mapping[str, object]]) -> list[str]:
    """The figures of one network over the seeds: median and range; of one seed with its interval."""
    cells = []
    for figure in FIGURES:
        held = [run[figure] for run in runs if figure in run]
        if len(held) == 1:
            cells.append(format_metric(held[0]))
        elif held:
            share = "unit" not in cast(Mapping[str, object], held[0])
            cells.append(spread([metric_value(one) * (100 if share else 1) for one in held], 1 if share else 2))
        else:
            cells.append("–")
    return [name, *cells]


def main() -> None:
    """All networks in turn, then how many copies there are by the number of training pictures."""
    facts = conditions("generation")
    measured: dict[str, object] = {"seconds_each": SECONDS}
    rows, pictures, real = [], [], {}
    with tempfile.TemporaryDirectory() as name:
        data = lay_out(Path(name) / "data", 4000)
        for network in NETWORKS:
            runs = []
            for seed in SEEDS:
                out = Path(name) / f"{network}-{seed}"
                tree = learn(data, out, seed, {"network.name": network, "train.time_s": SECONDS})
                runs.append(cast(Mapping[str, object], tree["metrics"]))
                real = {**cast(Mapping[str, object], tree["real_images"]), "near_copies": {"value": 0.0, "n": 0},
                        "class_accuracy_score": tree["class_accuracy_of_real"]}  # fmt: skip
                facts["features"] = tree["features"]
            pictures.append(row_of(capas.generate(Path(name) / f"{network}-{SEEDS[0]}", SHOWN, seed=0)))
            measured[network] = runs
            rows.append(figures_row(network, runs))
        del real["near_copies"]
        rows.append(figures_row("other real digits", [real]))
        copies = []
        for count in COPIED:
            small = lay_out(Path(name) / f"data-{count}", int(count))
            epochs = round(100_000 / int(count))
            tree = learn(small, Path(name) / f"copies-{count}", SEEDS[0], {"train.epochs": epochs})
            share = cast(Mapping[str, Mapping[str, object]], tree["metrics"])["near_copies"]
            copies.append([count, epochs, format_metric(share)])
            measured[f"copies_of_{count}"] = share
    Image.fromarray(np.concatenate(pictures)).save(RESULTS / "generation.png")
    heads = ["network", "coverage", "density", "KID", "FID", "near copies", "class accuracy score"]
    text = (
        f"MNIST-5k, {SECONDS:.0f} s of training each, {SAMPLES} samples against {TEST} test digits; seeds {SEEDS}. "
        f"Features: {facts['features']}.\n\n{table(heads, rows)}\n\n"
        + (table(["training digits", "epochs", "near copies"], copies) if copies else "")
    )
    keep("generation", "Drawing digits", text, facts, measured)


if __name__ == "__main__":
    main()
