"""The same or not: Omniglot 20-way one-shot classification, and speakers told apart on spoken digits.

**Omniglot** (Lake, Salakhutdinov & Tenenbaum 2015). A model learns from the small background set, five alphabets
written by 20 people, which characters are the same (``capas train --task verify``); each character turned by 90, 180
and 270 degrees counts as another one. Then the 20 published runs: in each, 20 characters of a new alphabet drawn once
are to be recognised in 20 drawings of another person, 400 trials in all. A trial is right if the drawing of the same
character is the most similar of the 20. Embeddings are averaged over small turns of the picture. Nothing of the runs
serves to choose anything.

Published for the small background set (Lake, Salakhutdinov & Tenenbaum, "The Omniglot challenge: a 3-year progress
report", 2019, Table 1, error in %): prototypical networks 30.1, a convolutional network 23.2, people 4.5.

**Spoken digits**: two of four speakers to learn from, the other two as test, each pair of test speakers in turn. Only
two identities are asked about each time, so that the equal error rate says little: its n is given, and no interval.

``CAPAS_SEEDS``, ``CAPAS_EPOCHS`` and ``CAPAS_PARTS`` (omniglot,speakers,methods) choose less or more.
"""

import io
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import capas
from benchmarks.record import conditions, keep, spread, table
from benchmarks.trained import given
from capas.engine.recipes.verification.methods import METHODS
from capas.engine.recipes.verification.predictor import VerificationPredictor
from capas.metrics.rate import rate

SEEDS = [int(seed) for seed in os.environ.get("CAPAS_SEEDS", "1,2,3").split(",")]
EPOCHS = float(os.environ.get("CAPAS_EPOCHS", "10"))
PARTS = os.environ.get("CAPAS_PARTS", "omniglot,speakers").split(",")
TURNS = (-10.0, -5.0, 0.0, 5.0, 10.0)  # degrees: as far as training turns pictures
PUBLISHED = {"prototypical networks": 30.1, "convolutional network": 23.2, "people": 4.5}
OMNIGLOT: Mapping[str, object] = {
    "data.task": "verify", "data.image_size": 28, "data.channels": 1, "augment.rotate": 10.0, "augment.crop": 0.1,
    "augment.flip": False, "train.epochs": EPOCHS, "network.width": 8,
    "train.evaluations": 3,
}  # fmt: skip


def write_background(folder: Path, turns: Sequence[int] = (0, 90, 180, 270)) -> None:
    """Write the small background set as class folders, each character turned as well."""
    with zipfile.ZipFile(given("omniglot") / "images_background_small1.zip") as archive:
        for name in archive.namelist():
            if not name.endswith(".png"):
                continue
            _, alphabet, character, file = name.split("/")
            picture = Image.open(io.BytesIO(archive.read(name))).convert("L")
            for turn in turns:
                place = folder / f"{alphabet}_{character}_{turn:03d}"
                place.mkdir(parents=True, exist_ok=True)
                picture.rotate(turn).save(place / file)


Measured = tuple[list[list[object]], dict[str, object]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One part: how it is measured, and what its table is called."""

    measure: Callable[[Path], Measured]
    heads: Sequence[str]
    text: str


class OneShotRuns:
    """The 20 published runs: pictures, and the right class of each test picture."""

    def __init__(self) -> None:
        self.runs: list[tuple[list[Image.Image], list[Image.Image], list[int]]] = []
        with zipfile.ZipFile(given("omniglot") / "all_runs.zip") as archive:
            for number in range(1, 21):
                lines = archive.read(f"run{number:02d}/class_labels.txt").decode().split("\n")
                pairs = [line.split() for line in lines if line.strip()]
                classes = sorted(known for _, known in pairs)
                read = {name: _picture(archive, name) for pair in pairs for name in pair}
                self.runs.append(
                    (
                        [read[asked] for asked, _ in pairs], [read[known] for known in classes],
                        [classes.index(known) for _, known in pairs],
                    )
                )  # fmt: skip

    def errors(self, predictor: VerificationPredictor, turns: Sequence[float] = TURNS) -> tuple[int, int]:
        """Return wrong answers and trials."""
        wrong = trials = 0
        for asked, known, right in self.runs:
            cosines = embeddings(predictor, asked, turns) @ embeddings(predictor, known, turns).T
            wrong += int((cosines.argmax(1) != np.array(right)).sum())
            trials += len(right)
        return wrong, trials


def _picture(archive: zipfile.ZipFile, name: str) -> Image.Image:
    return Image.open(io.BytesIO(archive.read(name))).convert("L")


def embeddings(
    predictor: VerificationPredictor, pictures: Sequence[Image.Image], turns: Sequence[float]
) -> NDArray[np.float32]:
    """Return the embeddings of pictures, averaged over small turns and of length 1 again."""
    total = torch.zeros(1)
    for turn in turns:
        arrays = [np.asarray(picture.rotate(turn, resample=Image.Resampling.BICUBIC, fillcolor=255))[..., None]
                  for picture in pictures]  # fmt: skip
        prepared = [predictor.preprocess(predictor.item(array, i)) for i, array in enumerate(arrays)]
        total = total + predictor.embed(prepared)
    vectors: NDArray[np.float32] = torch.nn.functional.normalize(total, dim=1).numpy()
    return vectors


def learn(data: Path, out: Path, seed: int, **settings: object) -> dict[str, object]:
    """Train, and return the figures of the run."""
    result = capas.train(data, out=out, seed=seed, report="none", settings={**OMNIGLOT, **settings})
    assert result is not None
    return {**result.as_json(), "seconds": result.seconds}


def _figure(run: Mapping[str, object], name: str) -> float:
    metrics = run["metrics"]
    assert isinstance(metrics, Mapping)
    return float(metrics[name]["value"])


def opened(run: Path) -> VerificationPredictor:
    """Return the model of a run."""
    predictor = capas.load(run, answer_all=True).predictor
    assert isinstance(predictor, VerificationPredictor)
    return predictor


def omniglot(scratch: Path) -> Measured:
    """One-shot error of every seed."""
    data, runs = scratch / "background", OneShotRuns()
    write_background(data)
    held: list[dict[str, object]] = []
    for seed in SEEDS:
        figures = learn(data, scratch / f"omniglot-{seed}", seed)
        predictor = opened(scratch / f"omniglot-{seed}")
        wrong, trials = runs.errors(predictor)
        plain, _ = runs.errors(predictor, (0.0,))
        held.append(
            {
                "seed": seed, "error": rate(wrong, trials).as_json(), "without_turns": rate(plain, trials).as_json(),
                "background_eer": _figure(figures, "eer"), "seconds": figures["seconds"],
            }
        )  # fmt: skip
        print(held[-1], flush=True)
    errors = [100 * float(one["error"]["value"]) for one in held]  # type: ignore[index]
    plain_errors = [100 * float(one["without_turns"]["value"]) for one in held]  # type: ignore[index]
    rows: list[list[object]] = [["Capas", spread(errors)], ["Capas, one look", spread(plain_errors)]]
    rows += [[name, value] for name, value in PUBLISHED.items()]
    return rows, {"omniglot": held}


def methods(scratch: Path) -> Measured:
    """Every method for the same number of steps, judged on characters of the background set that it did not learn."""
    data = scratch / "background"
    if not data.exists():
        write_background(data)
    rows: list[list[object]] = []
    measured: dict[str, object] = {}
    for name in METHODS:
        runs = [learn(data, scratch / f"{name}-{seed}", seed, **{"method.name": name}) for seed in SEEDS]
        rows.append([name, spread([100 * _figure(run, "eer") for run in runs], 2),
                     spread([100 * _figure(run, "tar_at_far_1") for run in runs]),
                     spread([float(str(run["seconds"])) for run in runs], 0)])  # fmt: skip
        measured[name] = runs
        print(rows[-1], flush=True)
    return rows, {"methods": measured}


def speakers(scratch: Path) -> Measured:
    """Each pair of speakers as test in turn."""
    sounds = sorted(given("spoken-digits").glob("*.wav"))
    names = sorted({sound.stem.split("_")[1] for sound in sounds})
    rows: list[list[object]] = []
    measured: dict[str, object] = {}
    for held in combinations(names, 2):
        data = scratch / ("speakers-" + "-".join(held))
        for sound in sounds:
            speaker = sound.stem.split("_")[1]
            place = data / ("test" if speaker in held else "train") / speaker
            place.mkdir(parents=True, exist_ok=True)
            (place / sound.name).symlink_to(sound.resolve())
        settings = {"data.task": "verify", "data.follow_links": True, "train.epochs": EPOCHS / 4}
        result = capas.train(data, out=scratch / f"run-{data.name}", seed=SEEDS[0], report="none", settings=settings)
        assert result is not None
        figures = result.test_result.as_json()
        baseline = figures["baseline"]
        eers = [figures["metrics"], *(baseline[name] for name in ("mel_statistics", "untrained"))]  # type: ignore[index]
        rows.append([" and ".join(held), eers[0]["eer"]["n"], *(f"{100 * one['eer']['value']:.1f}" for one in eers)])
        measured["-".join(held)] = figures["metrics"]
        print(rows[-1], flush=True)
    return rows, {"speakers": measured}


def main() -> None:
    """Run the parts that are asked for, and keep what each measured as soon as it is known."""
    parts: Mapping[str, Part] = {
        "omniglot": Part(
            measure=omniglot, heads=("", "error"),
            text=f"Omniglot, 20-way one-shot, error in % (400 trials, {len(SEEDS)} seeds, small background set):",
        ),
        "methods": Part(
            measure=methods, heads=("method", "EER, %", "recognised at 1 % false matches, %", "seconds"),
            text="The methods, the same number of steps each, on characters of the background set that were not "
            "learnt from:",
        ),
        "speakers": Part(
            measure=speakers, heads=("test speakers", "pairs", "EER", "band statistics", "untrained"),
            text="Spoken digits, equal error rate in % of two speakers that were not learnt from:",
        ),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for name in PARTS:
            facts, part = conditions("same") | {"part": name}, parts[name]
            rows, found = part.measure(Path(folder))
            keep(f"same-{name}", "The same or not", f"{part.text}\n\n{table(part.heads, rows)}", facts, found)


if __name__ == "__main__":
    main()
