"""Killed at any moment and run again, every command leaves what it leaves uninterrupted; two of them at once do not
harm each other. Real processes."""

import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from capas.archive.library.database import Library
from capas.archive.reading.index_stores import open_store, read_location
from capas.archive.review import record_correction, reviews
from capas.engine.recipes.transcription.line_reader import LineReader
from tests.archive.bars import content, library_of, reader_run
from tests.engine.forks import Forks, forks
from tests.harness import capas_here

PAGES, LINES, KILLS = 80, 3, 2


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, scans, and an ``archive`` of them that nothing has read."""
    folder = tmp_path_factory.mktemp("killed")
    run = reader_run(folder)
    library_of(folder, LineReader.open(run), where=str(run), pages=PAGES, lines=LINES)
    return folder


@pytest.fixture(scope="module")
def processes(place: Path) -> Iterator[Forks]:
    with forks(place) as started:
        yield started


@pytest.fixture(scope="module")
def whole(place: Path, processes: Forks) -> Library:
    """The archive, read without a break."""
    shutil.copytree(place / "archive", place / "whole")
    processes.run("archive", "read", "whole", "--model", "run", "--min-probability", "0.05")
    return Library.open(place / "whole")


@pytest.fixture
def copy(place: Path, tmp_path: Path) -> Library:
    return Library.open(shutil.copytree(place / "archive", tmp_path / "copy"))


def killed(processes: Forks, done: Callable[[], int], of: int, *arguments: str | Path) -> None:
    """Run a command, killed some times on its way, and then to its end."""
    for n in range(1, KILLS + 1):
        processes.start(*arguments)
        deadline = time.monotonic() + 20
        while done() < of * n // (KILLS + 1) and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.02))  # anywhere between two pages
        processes.signal(signal.SIGKILL)
        assert processes.exit_code() == -signal.SIGKILL, processes.errors()
    processes.run(*arguments)


def pages_read(library: Library) -> int:
    return sum(bool(page.model) for page in library.pages())


def spots(library: Library) -> list[object]:
    with closing(open_store(library, read_location(library))) as store:
        return [store.origin, *store.everything()]


def test_adding(place: Path, processes: Forks, tmp_path: Path) -> None:
    archive = tmp_path / "new"
    whole, library = Library.create(tmp_path / "whole", "a"), Library.create(archive, "a")
    processes.run("archive", "add", whole.folder, place / "scans")
    killed(processes, lambda: len(library.pages()), PAGES // 2, "archive", "add", archive, place / "scans")
    assert library.pages() == whole.pages() and len(library.pages()) == PAGES


def test_reading(whole: Library, copy: Library, processes: Forks) -> None:
    read = ("archive", "read", copy.folder, "--model", "run", "--min-probability", "0.05")
    killed(processes, lambda: pages_read(copy), PAGES, *read)
    assert (content(copy), spots(copy)) == (content(whole), spots(whole))


@pytest.mark.parametrize("store", ["file", "fonds"])
def test_indexing(store: str, whole: Library, processes: Forks, tmp_path: Path) -> None:
    former = Library.open(shutil.copytree(whole.folder, tmp_path / "former"))
    processes.run("archive", "index", former.folder, "--store", store)
    library = Library.open(shutil.copytree(former.folder, tmp_path / "copy"))
    for _ in range(KILLS):
        processes.start("archive", "index", library.folder, "--min-probability", "0.2")
        while not [*library.folder.glob(".spots*")]:
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.1))
        processes.signal(signal.SIGKILL)
        processes.exit_code()
        assert spots(library) == spots(former)
    for archive in (library, former):
        processes.run("archive", "index", archive.folder, "--min-probability", "0.2")
    assert spots(library) == spots(former) and not list(library.folder.glob(".spots*"))


def test_corrected_while_it_is_read(
    whole: Library, copy: Library, processes: Forks, capsys: pytest.CaptureFixture[str]
) -> None:
    processes.start("archive", "read", copy.folder, "--model", "run", "--min-probability", "0.05")
    while not pages_read(copy):
        time.sleep(0.01)
    at_once = capas_here(capsys, "archive", "add", copy.folder, copy.folder.parent, "--json")
    searched = capas_here(capsys, "archive", "search", copy.folder, "a*", "--json")
    said = {(page, "l1"): f"a {page}" for page in range(PAGES, 0, -1)}
    for (page, line), text in said.items():
        record_correction(copy, page, line, text, "ana")
    assert processes.exit_code() == 0
    truths = {(page.id, row.line.id): row.target for page in copy.pages() for row in copy.lines(page.id)}
    assert {where: truth for where, truth in truths.items() if truth is not None} == said
    assert {(one.page, one.line): one.text for one in reviews(copy)} == said
    assert (content(copy), spots(copy)) == (content(whole), spots(whole))
    assert (at_once.code, at_once.json["error"]) == (2, "run_is_busy") and searched.code == 0  # type: ignore[index]


def test_making_an_archive_that_was_killed_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("capas.archive.library.database.VERSION", "no number;")
        with pytest.raises(Exception, match="syntax"):
            Library.create(tmp_path / "new", "a")
    assert Library.create(tmp_path / "new", "b").fact("title") == "b"
