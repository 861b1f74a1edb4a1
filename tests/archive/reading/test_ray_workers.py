"""Reading on several processes leaves the same archive as reading in one, even where one of them is killed."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from capas.archive.reading.index_provenance import read_index_provenance
from capas.archive.reading.index_stores import SPOTS
from capas.archive.reading.pages import LocalReader, read_pages
from capas.archive.reading.ray_workers import RayWorkers
from capas.engine.recipes.transcription.line_reader import LineReader
from capas.keyword_index.sqlite_store import SqliteSpots
from tests.archive.bars import content, library_of, reader_run

PAGES = 40
LIMIT_S = 240  # three workers load torch; on one busy core that alone takes minutes


@pytest.mark.slow
def test_with_a_worker_killed_the_archive_is_that_of_one_process(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    run = reader_run(tmp_path / "reader")
    reader = LineReader.open(run)
    one, many = (library_of(tmp_path / name, reader, where=str(run), pages=PAGES) for name in ("one", "many"))
    making = read_index_provenance(one)
    read_pages(
        one,
        LocalReader(reader=reader, finder=lambda picture: (), min_probability=making.min_probability),
        making.origin,
    )
    killed = list[int]()

    def kill_one(done: int, of: int) -> None:
        if not killed:
            killed.append(workers()[0])
            os.kill(killed[0], signal.SIGKILL)

    on_ray = RayWorkers(reader=str(run), min_probability=making.min_probability, workers=2)
    with at_most(LIMIT_S):
        report = read_pages(many, on_ray, making.origin, progress=kill_one)
    assert killed and report.pages == PAGES and not report.bad
    assert content(many) == content(one)
    with SqliteSpots(one.folder / SPOTS) as first, SqliteSpots(many.folder / SPOTS) as second:
        assert list(first.everything()) == list(second.everything())


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Fail where the block takes longer, so that a cluster which hangs is told from one that is wrong."""

    def late(*_: object) -> None:
        pytest.fail(f"Ray has not finished in {seconds} s; RAY_TMPDIR holds its logs", pytrace=False)

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def workers() -> list[int]:
    """The processes below this one in which Ray runs jobs, those at work first."""
    below = {os.getpid()}
    found = list[tuple[bool, int]]()
    for number in sorted(int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
        try:
            parent = int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])
            command = Path(f"/proc/{number}/cmdline").read_text()
        except OSError:
            continue
        if parent in below:
            below.add(number)
            if command.startswith(("ray::read_job", "ray::IDLE")):
                found.append((command.startswith("ray::IDLE"), number))
    return [number for _, number in sorted(found)]
