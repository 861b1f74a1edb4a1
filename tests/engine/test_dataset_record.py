"""The data record names contents, not files; runs are named by date and data, and "latest" is the newest."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.core.spec import Field, Spec
from capas.engine.config import DataConfig
from capas.engine.dataset_record import DatasetRecord, find_examples, read_dataset_record
from capas.engine.run import find_run, new_run

SPEC = Spec(
    inputs=(Field(name="image", kind="image"),),
    target=Field(name="class", kind="category"),
    task="classify",
    classes=("a", "b"),
)
RECORD = DatasetRecord(
    source="sample:shapes",
    spec=SPEC,
    names=("1.png", "2.png", "3.png", "4.png"),
    hashes=("h1", "h2", "h3", "h4"),
    labels=(0, 1, 0, 1),
    splits=("train", "train", "test", "validation"),
)


def test_positions_are_those_of_the_split() -> None:
    assert RECORD.positions("train").tolist() == [0, 1] and RECORD.positions("test").tolist() == [2]
    assert replace(RECORD, splits=("train",) * 4).positions("validation").tolist() == []


def test_a_digest_is_of_contents_and_classes_whatever_their_order_and_names() -> None:
    order = (3, 1, 0, 2)
    shuffled = DatasetRecord(
        source="elsewhere", spec=replace(SPEC, target=Field(name="x", kind="category"), classes=("b", "a")),
        names=tuple("wxyz"), hashes=tuple(RECORD.hashes[i] for i in order), labels=(0, 0, 1, 1),
        splits=tuple(RECORD.splits[i] for i in order),
    )  # fmt: skip
    for split in ("train", "validation", "test"):
        assert RECORD.digest(split) == shuffled.digest(split)  # type: ignore[arg-type]
    others = [replace(RECORD, hashes=("h1", "h9", "h3", "h4")), replace(RECORD, labels=(1, 1, 0, 1)),
              replace(RECORD, splits=("train", "test", "test", "validation"))]  # fmt: skip
    assert len({RECORD.digest("train"), *(other.digest("train") for other in others)}) == 4


def test_a_record_reads_back_and_finds_its_pictures(finished_run: Path) -> None:
    record = read_dataset_record(find_run(finished_run))
    assert record.spec.classes == ("circle", "square", "triangle") and len(record.positions("test")) == 120
    source, indices = find_examples(record, DataConfig(max_pixels=50_000_000))
    assert source.files is not None
    assert [source.files.name(i) for i in indices] == list(record.names)
    assert [source.files.content_hash(i) for i in indices[:9]] == list(record.hashes[:9])


def test_runs_are_named_by_date_and_data_and_never_twice() -> None:
    first = new_run(None, "/data/my photos, 2026/")
    assert first.folder.parent == Path("runs") and first.folder.name.endswith("-my-photos-2026")
    first.folder.mkdir(parents=True)
    assert new_run(None, "/data/my photos, 2026/").folder.name != first.folder.name
    for source, stem in (("sample:shapes", "shapes"), ("...", "run"), ("a/ñandú.csv", "ñandú.csv"), ("/", "run")):
        assert new_run(None, source).folder.name.split("-", 4)[-1] == stem


def test_latest_is_the_newest_run_and_a_folder_of_that_name_comes_first(finished_run: Path) -> None:
    for number, name in enumerate(("b", "a", "c")):
        shutil.copytree(finished_run, f"runs/{name}", ignore=shutil.ignore_patterns("checkpoints"))
        os.utime(f"runs/{name}/config.toml", (1000 - number, 1000 - number))
    assert find_run("latest").folder == Path("runs/b")
    Path("latest").mkdir()
    with pytest.raises(CapasError) as caught:
        find_run("latest")
    assert caught.value.key == "not_a_run"
