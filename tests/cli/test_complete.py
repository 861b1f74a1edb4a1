"""What tab completion offers for archives."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from capas.archive.library.database import Library, NewPage
from capas.cli import complete


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("seville", "deep/cadiz"):
        Library.create(Path(name), "")
    Path("scans").mkdir()
    return tmp_path


def test_archives_are_offered_before_other_folders(here: Path) -> None:
    assert complete.archives("") == ["seville", "deep/cadiz"]
    assert complete.archives("se") == ["seville"] and complete.archives("sc") == ["scans/"]


def test_units_and_the_levels_above_them(here: Path) -> None:
    pages = [NewPage(unit=unit, label="1", source=unit, frame=0, hash="h", width=1, height=1)
             for unit in ("notaries/1606/book", "council")]  # fmt: skip
    Library(Path("seville")).add_pages(pages)
    assert complete.units("seville", "") == ["council", "notaries", "notaries/1606", "notaries/1606/book"]
    assert complete.units("seville", "notaries/") == ["notaries/1606", "notaries/1606/book"]
    assert complete.units("scans", "") == [] == complete.units("", "")
    with closing(sqlite3.connect("seville/archive.sqlite")) as connection:
        connection.execute("DROP TABLE pages")
    assert complete.units("seville", "") == []


def test_runs_that_read_lines(here: Path) -> None:
    for name, task in (("a", "classify"), ("b", "transcribe")):
        (here / "runs" / name / "bundle").mkdir(parents=True)
        (here / "runs" / name / "config.toml").touch()
        card = here / "runs" / name / "bundle" / "card.json"
        card.write_text(json.dumps({"task": task, "medium": "image"}))
    assert complete.readers("runs/") == ["runs/b", "runs/b/"]
