"""Pictures from a text: emoji by their names, and what guidance does to them.

Emoji of four vendors (npm packages ``emoji-datasource-…`` 16.0.0: Google, Apple, Twitter, Facebook), skin tones left
out, at 32 pixels; the caption is the emoji's name and the vendor's ("red heart by apple"). All pictures of one name are
in the same part, so that the names of the test are new to the network. It learns for ``CAPAS_SECONDS`` (1,500) with the
defaults of ``capas train TABLE --task generate --condition caption``.

Then samples are drawn for the captions of the test with guidance 1, 3 and 7. A reader that has only seen real training
pictures (ridge regression from features to the captions' vectors) says for which of ten captions each was drawn: by
chance one in ten, beside it how often it is right about real pictures of the test. Expected: above chance; with more
guidance more often right, and less coverage. ``CAPAS_SEEDS`` (1).

``text-to-image.png`` shows samples, none chosen, for eight texts of our own at each guidance.
"""

import csv
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image

import capas
from benchmarks.record import RESULTS, conditions, keep, spread, table
from capas.core.number_format import format_metric
from capas.engine.dataset_record import DatasetRecord, read_dataset_record
from capas.engine.recipe import Item
from capas.engine.recipes.generation.evaluate import KnownImages, evaluate_generator
from capas.engine.recipes.generation.predictor import GenerationPredictor
from capas.engine.recipes.generation.prompts import Captions
from capas.engine.run import Run
from capas.sampling.generator import SamplingOptions

SECONDS: Final = float(os.environ.get("CAPAS_SECONDS", "1500"))
SEEDS: Final = tuple(map(int, os.environ.get("CAPAS_SEEDS", "1").split(",")))
VENDORS: Final = ("google", "apple", "twitter", "facebook")
GUIDANCE: Final = (1.0, 3.0, 7.0)
SAMPLES: Final = 300
SHOWN: Final = (
    "red heart by apple", "green heart by google", "grinning face with big eyes by apple", "flag: Italy by twitter",
    "black cat by google", "large blue circle by facebook", "house with garden by apple", "yellow flower by twitter",
)  # fmt: skip


def write_table(folder: Path) -> Path:
    """Write the pictures of all vendors, and a table of their captions; the names decide the groups."""
    for vendor in VENDORS:
        package = f"emoji-datasource-{vendor}@16.0.0"
        own = folder / vendor
        own.mkdir()
        subprocess.run(["npm", "pack", package, "--silent"], cwd=own, check=True, capture_output=True)
        with tarfile.open(next(own.glob("*.tgz"))) as archive:
            archive.extractall(own, filter="data")
    with (folder / "emoji.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["picture", "caption", "name"])
        rows.writerows(_captioned(folder))
    return folder / "emoji.csv"


def _captioned(folder: Path) -> Iterable[tuple[str, str, str]]:
    for vendor in VENDORS:
        package = folder / vendor / "package"
        for row in json.loads((package / "emoji.json").read_text(encoding="utf-8")):
            picture = package / "img" / vendor / "64" / row["image"]
            if row["category"] == "Component" or not row["name"] or not picture.exists():
                continue
            # They are transparent: on white, at half their size.
            with Image.open(picture) as opened:
                sized = opened.convert("RGBA").resize((32, 32), Image.Resampling.LANCZOS)
            white = Image.new("RGBA", sized.size, "white")
            white.alpha_composite(sized)
            target = folder / "pictures" / f"{vendor}-{row['image']}"
            target.parent.mkdir(exist_ok=True)
            white.convert("RGB").save(target)
            yield str(target.relative_to(folder)), f"{row['name'].lower()} by {vendor}", row["name"]


def learn(data: Path, out: Path, seed: int) -> None:
    """One run of the command line."""
    command = [sys.executable, "-m", "capas.cli.main", "train", str(data), "--task", "generate", "--condition",
               "caption", "--group", "name", "--seed", str(seed), "--report", "none", "--out", str(out), "--json",
               "--set", f"train.time_s={SECONDS}",
        "--set", "generation.samples=100", "--set", "train.evaluations=3",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)


def known(record: DatasetRecord, predictor: GenerationPredictor, split: str) -> KnownImages:
    """The images and captions of one part of a run."""
    chosen = [i for i, own in enumerate(record.splits) if own == split]
    paths = [Path(record.source).parent / record.names[i] for i in chosen]
    texts = [record.label_text(record.labels[i]) for i in chosen]
    assert predictor.prompts is not None
    return KnownImages(
        names=[path.name for path in paths], classes=None,
        images=torch.stack([predictor.prepare(Item(name=path.name, content=path)) for path in paths]),
        captions=Captions(texts=texts, vectors=predictor.prompts.encode(texts)),
    )  # fmt: skip


def judged(run: Path, seed: int) -> tuple[dict[str, dict[str, object]], dict[str, object]]:
    """The figures of samples at each guidance, and those of real pictures."""
    predictor = capas.load(run).predictor
    assert isinstance(predictor, GenerationPredictor)
    record = read_dataset_record(Run(folder=run))
    train, test = known(record, predictor, "train"), known(record, predictor, "test")
    found, real = dict[str, dict[str, object]](), dict[str, object]()
    for guidance in GUIDANCE:
        options = SamplingOptions(guidance=guidance)
        result = evaluate_generator(
            predictor.generator, test, train=train, class_names=(), seed=seed, count=SAMPLES, options=options
        )
        found[f"{guidance:.0f}"] = {
            name: result.metrics[name] for name in ("caption_retrieval", "sample_density", "sample_coverage", "fid",
                                                   "near_copies")
        }  # fmt: skip
        of_real = result.further["real_images"]
        assert isinstance(of_real, dict)
        real = {**of_real, "caption_retrieval": result.further["caption_retrieval_of_real"],
                "features": result.further["features"]}  # fmt: skip
        print(seed, guidance, json.dumps(found[f"{guidance:.0f}"]), flush=True)
    return found, real


def show(run: Path, where: Path) -> None:
    """Write samples for the texts of our own: a row for each, two for each guidance."""
    rows = []
    for text in SHOWN:
        images = [capas.generate(run, 2, prompts=[text], guidance=guidance, seed=0) for guidance in GUIDANCE]
        rows.append(np.concatenate([image for part in images for image in part], axis=1))
    Image.fromarray(np.kron(np.concatenate(rows), np.ones((3, 3, 1), np.uint8))).save(where)


def cell(figures: Sequence[object]) -> str:
    """One figure with its interval, or the spread over seeds."""
    if len(figures) == 1:
        return format_metric(figures[0])
    return spread([100 * float(one["value"]) for one in figures])  # type: ignore[index]


def main() -> None:
    """Learn for each seed, and draw."""
    facts = conditions("text-to-image") | {"seconds": SECONDS, "seeds": len(SEEDS)}
    runs, real = list[dict[str, dict[str, object]]](), dict[str, object]()
    with tempfile.TemporaryDirectory() as name:
        data = write_table(Path(name))
        for seed in SEEDS:
            run = Path(name) / f"run-{seed}"
            learn(data, run, seed)
            found, real = judged(run, seed)
            runs.append(found)
            if seed == SEEDS[0]:
                show(run, RESULTS / "text-to-image.png")
    names = ("caption_retrieval", "sample_density", "sample_coverage", "fid", "near_copies")
    rows: list[list[object]] = [
        [f"guidance {guidance:.0f}", *(cell([run[f"{guidance:.0f}"][name] for run in runs]) for name in names)]
        for guidance in GUIDANCE
    ]
    rows.append(["real pictures", *(format_metric(real[name]) if name in real else "–" for name in names)])
    rows.append(["by chance", "10.0 %", "", "", "", ""])
    heads = ["", "caption found among ten", "density", "coverage", "FID", "near copies"]
    facts["features"] = real["features"]
    text = f"{__doc__}\n{table(heads, rows)}\n\n![samples, none chosen](text-to-image.png)\n\nRows: " + "; ".join(SHOWN)
    keep("text-to-image", "Pictures from a text", text, facts, {"runs": runs, "real": real})


if __name__ == "__main__":
    main()
