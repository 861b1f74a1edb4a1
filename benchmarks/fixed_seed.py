"""What a fixed seed gives, for each kind of problem: hashes of weights, metrics and trust report, and of an archive's
index. Run before and after a change that should change nothing: on one machine the hashes are the same."""

import hashlib
import json
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import torch

os.environ["CAPAS_LANG"] = "en"
os.environ["OMP_NUM_THREADS"] = "1"

from benchmarks.record import conditions, keep, table
from capas.archive.reading.index_stores import SPOTS
from capas.cli.main import main as capas
from capas.data.sources.samples import write_sample
from capas.engine.recipes.transcription.line_reader import LineReader
from tests.archive.bars import content, library_of, reader_run
from tests.engine import made_frames, made_problems
from tests.engine.recipes import test_restoration, test_segmentation, test_token_classification, test_transcription
from tests.engine.recipes import test_translation as translation
from tests.harness import FIXED, train_here

NAME = "fixed-seed"
STANDARD = {**FIXED, "trust.report": "standard", "train.evaluations": 2}


def sentences(root: Path) -> Path:
    """Labelled words in columns."""
    root.mkdir()
    rng = test_token_classification.random.Random(1)
    for name, count in (("a.train", 150), ("a.testa", 30), ("a.testb", 40)):
        lines = test_token_classification.columns([test_token_classification.sentence(rng) for _ in range(count)])
        (root / name).write_text(lines, encoding="utf-8")
    return root


def texts(root: Path) -> Path:
    """Sentences with their subject."""
    return made_problems.texts_table(root.with_suffix(".csv"))


def tabular(root: Path) -> Path:
    """Rows of numbers, categories and dates."""
    return made_problems.rows_table(root.with_suffix(".csv"))


def pairs(root: Path) -> Path:
    """Sentences in two languages."""
    root.mkdir()
    rng = translation.random.Random(2)
    for name, count in (("train", 400), ("val", 40), ("test_2016", 30)):
        drawn = [translation.pair(rng) for _ in range(count)]
        for language, lines in zip(("en", "es"), zip(*drawn, strict=True), strict=True):
            (root / f"{name}.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def images(root: Path) -> Path:
    """Class folders of the drawn shapes."""
    write_sample("shapes", root)
    return root


# What to train on, by kind of problem: who makes the data (below a folder of its own) and the settings beside STANDARD.
PROBLEMS: Mapping[str, tuple[Callable[[Path], Path], Mapping[str, object]]] = {
    "image classification": (images, {"train.epochs": 2}),
    "text classification": (
        texts,
        {"data.target": "about", "network.name": "text-linear", "train.epochs": 10},
    ),
    "audio classification": (made_problems.sound_folders, {"data.target": "class", "train.epochs": 6}),
    "tabular classification": (tabular, {"data.target": "kind", "train.epochs": 15}),
    "tags": (made_problems.brightness_table, {"data.target": "seen", "train.epochs": 4}),
    "regression": (tabular, {"data.target": "price_eur", "train.epochs": 15}),
    "masks": (test_segmentation.write_scenes, {**test_segmentation.SETTINGS, "train.epochs": 4}),
    "token labels": (sentences, {"network.width": 16, "train.batch_size": 8, "train.epochs": 4}),
    "audio frames": (lambda root: made_frames.recordings(root, 30), {"train.batch_size": 4, "train.epochs": 6}),
    "restoration": (
        test_restoration.write_pictures,
        {**test_restoration.SETTINGS, "data.task": "transform", "transform.kind": "denoise"},
    ),
    "transcription": (test_transcription.write_lines, {**test_transcription.SETTINGS, "train.epochs": 12}),
    "translation": (
        pairs,
        {"network.width": 64, "train.batch_size": 16, "train.epochs": 8, "optim.learning_rate": 3e-3},
    ),
}


def hash_of(content: bytes) -> str:
    """A short BLAKE2b hash."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def timeless(tree: object) -> object:
    """A report without what differs from one run to the next: where it lies, when it was made and how long it took."""
    if isinstance(tree, dict):
        return {key: timeless(value) for key, value in tree.items() if key not in ("run", "created", "seconds")}
    return [timeless(value) for value in tree] if isinstance(tree, list) else tree


def measured_run(run: Path) -> dict[str, str]:
    """Hashes of what a run left: weights, metrics, report."""
    report = timeless(json.loads((run / "report" / "report.json").read_text(encoding="utf-8")))
    return {
        "weights": hash_of((run / "bundle" / "model.safetensors").read_bytes()),
        "metrics": hash_of((run / "metrics.json").read_bytes()),
        "report": hash_of(json.dumps(report).encode()),
    }


def measured_index(folder: Path) -> dict[str, str]:
    """Hashes of a small archive: its reader's weights, what was read, and the spots of its index."""
    run = reader_run(folder)
    library = library_of(folder, LineReader.open(run), where="run", pages=6, lines=3)
    former, here = sys.argv, Path.cwd()
    os.chdir(folder)
    try:
        sys.argv = ["capas", "archive", "read", "archive", "--model", "run", "--min-probability", "0.05"]
        capas()
    except SystemExit as end:
        assert not end.code, end.code
    finally:
        sys.argv = former
        os.chdir(here)
    with closing(sqlite3.connect(folder / "archive" / SPOTS)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: sorted(map(str, connection.execute(f'SELECT * FROM "{name}"'))) for name in sorted(names)}
    return {
        "weights": hash_of((run / "bundle" / "model.safetensors").read_bytes()),
        "index": hash_of(json.dumps([content(library), rows], default=str).encode()),
    }


def main() -> None:
    """Train each kind of problem, read a small archive, and hash what comes of it."""
    torch.set_num_threads(1)
    facts = conditions(NAME)
    measured: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(os.environ.get("CAPAS_KEEP", folder))
        for name, (write, settings) in PROBLEMS.items():
            data = write(Path(folder) / name.replace(" ", "-"))
            run = train_here(
                data, out / "runs" / name.replace(" ", "-"), {**STANDARD, **settings, "trust.report": "standard"}
            )
            measured[name] = measured_run(run)
            print(name, measured[name], flush=True)
        measured["archive"] = measured_index(Path(folder))
    rows = [
        [name, *(hashes.get(k, "") for k in ("weights", "metrics", "report", "index"))]
        for name, hashes in measured.items()
    ]
    keep(
        NAME,
        "What a fixed seed gives",
        table(["problem", "weights", "metrics", "report", "index"], rows),
        facts,
        measured,
    )


if __name__ == "__main__":
    main()
