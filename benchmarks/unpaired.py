"""Translated without pairs: how often a translation's nearest neighbour is its true partner, which training never saw.

Two problems whose pairs are known and hidden. **Emoji** of two vendors (npm packages ``emoji-datasource-google`` and
``-twitter`` 16.0.0, on white, 32×32; animals, food, places, activities, objects and faces): half of them are shown as
Google draws them, the other half as Twitter does, 100 kept apart in both. **Digits** of MNIST-5k in two styles: 2,000
as they are, 2,000 others thick and orange with a blue outline on light grey, 500 of the test digits in both.

``--task transform`` learns for ``CAPAS_SECONDS`` (900) on this machine with its defaults, without the cycle
(``transform.cycle=0``), and without cycle and identity (adversaries alone). Beside them the pictures left untouched.
Pairing error: the share of test pictures whose translation has another picture than its partner as the nearest one of
the other collection's test pictures, both directions together; once by features (named below), once by pixels. Pixel
error: the mean difference from the partner, as a share of a pixel's range. ``CAPAS_SEEDS`` (1,2,3),
``CAPAS_PROBLEMS`` (emoji,digits).

Rows of ``unpaired-PROBLEM.png``: eight test pictures, what each network makes of them, and their true partners.
"""

import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch import Tensor

import capas
from benchmarks.record import RESULTS, conditions, keep, spread, table
from capas.data.sources.samples import open_sample
from capas.engine.recipes.generation.features import SampleFeatures
from capas.engine.recipes.unpaired_translation.evaluate import mean_difference
from capas.engine.recipes.unpaired_translation.predictor import UnpairedPredictor
from capas.metrics.rate import Rate, rate
from capas.sampling.pixels import to_pixels, to_unit_range

SECONDS: Final = float(os.environ.get("CAPAS_SECONDS", "900"))
SEEDS: Final = tuple(map(int, os.environ.get("CAPAS_SEEDS", "1,2,3").split(",")))
PROBLEMS: Final = tuple(os.environ.get("CAPAS_PROBLEMS", "emoji,digits").split(","))
WAYS: Final[Mapping[str, Mapping[str, float]]] = {
    "CycleGAN": {},
    "without the cycle": {"transform.cycle": 0.0},
    "adversaries alone": {"transform.cycle": 0.0, "transform.identity": 0.0},
}
VENDORS: Final = ("google", "twitter")
CATEGORIES: Final = frozenset({
    "Smileys & Emotion", "Animals & Nature", "Food & Drink", "Travel & Places", "Activities", "Objects",
})  # fmt: skip
SIDE, EMOJI_TESTED, DIGITS, DIGITS_TESTED, SHOWN = 32, 100, 2000, 500, 8
ORANGE, BLUE, GREY = (235, 130, 30), (30, 50, 140), (225, 225, 225)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Two collections: pictures to learn from, and test pictures of which image i of one is image i of the other."""

    names: tuple[str, str]
    train: tuple[Sequence[NDArray[np.uint8]], Sequence[NDArray[np.uint8]]]
    test: tuple[Sequence[NDArray[np.uint8]], Sequence[NDArray[np.uint8]]]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Errors of one way to translate, both directions together."""

    by_features: Rate
    by_pixels: Rate
    pixels: float


def emoji(folder: Path, seed: int) -> Problem:
    """Emoji that both vendors draw, half of them shown of each."""
    folders = {}
    for vendor in VENDORS:
        if not (own := folder / vendor).exists():
            own.mkdir()
            package = f"emoji-datasource-{vendor}@16.0.0"
            subprocess.run(["npm", "pack", package, "--silent"], cwd=own, check=True, capture_output=True)
            with tarfile.open(next(own.glob("*.tgz"))) as archive:
                archive.extractall(own, filter="data")
        folders[vendor] = own / "package" / "img" / vendor / "64"
    rows = json.loads((folder / VENDORS[0] / "package" / "emoji.json").read_text(encoding="utf-8"))
    names = sorted(
        row["image"] for row in rows
        if row["category"] in CATEGORIES and all((folders[vendor] / row["image"]).exists() for vendor in VENDORS)
    )  # fmt: skip
    random.Random(seed).shuffle(names)
    test, shown = names[:EMOJI_TESTED], names[EMOJI_TESTED:]
    first, second = ([_on_white(folders[vendor] / name) for name in shown[number::2]]
                     for number, vendor in enumerate(VENDORS))  # fmt: skip
    kept = [[_on_white(folders[vendor] / name) for name in test] for vendor in VENDORS]
    return Problem(names=VENDORS, train=(first, second), test=(kept[0], kept[1]))


def _on_white(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        drawn = image.convert("RGBA")
        white = Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB")
    return np.array(white.resize((SIDE, SIDE), Image.Resampling.BOX))


def digits(folder: Path, seed: int) -> Problem:
    """Digits as they are, and others in another style."""
    sample, rng = open_sample("mnist5k"), random.Random(seed)
    parts = {side: [i for i, part in enumerate(sample.fixed_split) if (part == "test") == (side == "test")]
             for side in ("train", "test")}  # fmt: skip
    train, test = (rng.sample(parts[side], count) for side, count in (("train", 2 * DIGITS), ("test", DIGITS_TESTED)))
    plain = {i: np.squeeze(sample.images.decode(i)) for i in (*train, *test)}
    return Problem(
        names=("plain", "styled"),
        train=([in_colour(plain[i]) for i in train[:DIGITS]], [styled(plain[i]) for i in train[DIGITS:]]),
        test=([in_colour(plain[i]) for i in test], [styled(plain[i]) for i in test]),
    )


def in_colour(digit: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same in three channels."""
    return np.repeat(digit[..., None], 3, axis=2)


def styled(digit: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A digit (H, W), light on dark, thick and orange, with a blue outline on light grey."""
    thick = ndimage.maximum_filter(digit, 3) / 255.0
    outline = ndimage.maximum_filter(thick, 3)
    picture = np.array(GREY) * (1 - outline[..., None]) + np.array(BLUE) * outline[..., None]
    picture = picture * (1 - thick[..., None]) + np.array(ORANGE) * thick[..., None]
    return picture.round().astype(np.uint8)


READ: Final[Mapping[str, Callable[[Path, int], Problem]]] = {"emoji": emoji, "digits": digits}


def lay_out(problem: Problem, folder: Path) -> Path:
    """Both collections below ``train`` and ``test``."""
    for split, sides in (("train", problem.train), ("test", problem.test)):
        for name, pictures in zip(problem.names, sides, strict=True):
            (folder / split / name).mkdir(parents=True, exist_ok=True)
            for i, picture in enumerate(pictures):
                Image.fromarray(picture).save(folder / split / name / f"{i:05d}.png")
    return folder


def learn(data: Path, out: Path, seed: int, settings: Mapping[str, float]) -> UnpairedPredictor:
    """One run of the command line."""
    command = [sys.executable, "-m", "capas.cli.main", "train", str(data), "--task", "transform", "--seed", str(seed)]
    command += ["--report", "none", "--out", str(out), "--json", "--set", f"train.time_s={SECONDS}"]
    # Twins among the emoji (clocks, moons) are no leak here: partners are told apart by their number.
    command += ["--set", "data.validation=0"]
    for key, value in settings.items():
        command += ["--set", f"{key}={json.dumps(value)}"]
    subprocess.run(command, check=True, capture_output=True)
    predictor = capas.load(out).predictor
    assert isinstance(predictor, UnpairedPredictor)
    return predictor


def as_tensor(pictures: Sequence[NDArray[np.uint8]]) -> Tensor:
    """(N, C, H, W) in [-1, 1]."""
    return to_unit_range(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2))


def pairing_errors(made: Tensor, partners: Tensor) -> int:
    """How many rows (N, D) have another row of ``partners`` than their own as the nearest one."""
    return int((torch.cdist(made, partners).argmin(1) != torch.arange(len(made))).sum())


def measure(made: Sequence[Tensor], partners: Sequence[Tensor], features: SampleFeatures) -> Measured:
    """Compare translations of both directions with their true partners."""
    n = sum(map(len, made))
    wrong = [
        sum(pairing_errors(of(one), of(other)) for one, other in zip(made, partners, strict=True))
        for of in (features.of, lambda images: images.flatten(1))
    ]
    off = torch.cat([mean_difference(one, other) for one, other in zip(made, partners, strict=True)])
    return Measured(by_features=rate(wrong[0], n), by_pixels=rate(wrong[1], n), pixels=float(off.mean()))


def cells(runs: Sequence[Measured]) -> Iterator[str]:
    """Median and range over the seeds."""
    yield spread([100 * run.by_features.value for run in runs])
    yield spread([100 * run.by_pixels.value for run in runs])
    yield spread([run.pixels for run in runs], 3)


def run_problem(name: str, temporary: Path) -> tuple[str, dict[str, object]]:
    """All ways with all seeds: a table and the figures."""
    runs: dict[str, list[Measured]] = {way: [] for way in (*WAYS, "untouched")}
    pictures: list[Tensor] = []
    said = ""
    for seed in SEEDS:
        problem = READ[name](temporary, seed)
        data = lay_out(problem, temporary / f"{name}-{seed}")
        test = [as_tensor(side) for side in problem.test]
        partners = [test[1], test[0]]
        features = SampleFeatures.fit(torch.cat([as_tensor(side[:1000]) for side in problem.train]))
        runs["untouched"].append(measure(test, partners, features))
        said = f"{len(problem.train[0])} and {len(problem.train[1])} pictures to learn from, {len(test[0])} pairs to "
        said += f"test; features: {features.name}"
        rows = [test[0]]
        for number, (way, settings) in enumerate(WAYS.items()):
            model = learn(data, temporary / f"{name}-{seed}-{number}", seed, settings)
            made = [model.directions.translate(side, 1 - own) for own, side in enumerate(test)]
            runs[way].append(measure(made, partners, features))
            rows.append(made[0])
            print(name, seed, way, runs[way][-1], flush=True)
        pictures = pictures or [row[:SHOWN] for row in (*rows, test[1])]
    sheet = np.concatenate([np.concatenate(list(to_pixels(row)), axis=1) for row in pictures])
    Image.fromarray(np.kron(sheet, np.ones((2, 2, 1), np.uint8))).save(RESULTS / f"unpaired-{name}.png")
    heads = ["", "pairing error by features, %", "by pixels, %", "pixel error"]
    measured = {
        way: [
            {"by_features": one.by_features.as_json(), "by_pixels": one.by_pixels.as_json(), "pixels": one.pixels}
            for one in found
        ]
        for way, found in runs.items()
    }
    return f"**{name}**: {said}\n\n{table(heads, [[way, *cells(found)] for way, found in runs.items()])}", measured


def main() -> None:
    """Both problems."""
    facts, texts, measured = conditions("unpaired"), [], dict[str, object](seconds_each=SECONDS)
    with tempfile.TemporaryDirectory() as temporary:
        for name in PROBLEMS:
            text, measured[name] = run_problem(name, Path(temporary))
            texts.append(text)
    head = f"{SECONDS:.0f} s of training each, seeds {SEEDS}; median and range.\n\n"
    keep("unpaired", "Translated without pairs", head + "\n\n".join(texts), facts, measured)


if __name__ == "__main__":
    main()
