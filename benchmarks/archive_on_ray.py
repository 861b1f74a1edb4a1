"""Pages read by the workers of Ray: the same archive as in one process, also where one of them is killed; and how fast.

Drawn pages (``sample:manuscripts``), their lines found, read by the reader that comes with Capas. Each way makes an
archive of its own; *same* compares all pages, lines, readings, posteriors and spots with the first, byte for byte. The
start of Ray (its workers load torch) is part of the seconds. The killed worker is one at work when the first pages are
in.

Expected: the same five times over; two workers not quite twice as fast as one.
"""

import hashlib
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.record import conditions, keep, table
from capas.archive.library.adding import add_pages_from
from capas.archive.library.database import Library
from capas.archive.line_finding.model import LineFinder
from capas.archive.reading.index_provenance import provenance_of_reader, write_index_provenance
from capas.archive.reading.index_stores import SPOTS
from capas.archive.reading.pages import LocalReader, ReadingWorkers, read_pages
from capas.archive.reading.ray_workers import RayWorkers
from capas.data.synthetic.manuscripts import make_manuscripts
from capas.engine.recipes.transcription.line_reader import LineReader
from capas.keyword_index.sqlite_store import SqliteSpots
from tests.archive.bars import content
from tests.archive.reading.test_ray_workers import workers

READER, LEAST, PAGES = "reader:medieval", 0.01, 120


def hash_of(library: Library) -> str:
    """Of everything that was read and indexed."""
    with SqliteSpots(library.folder / SPOTS) as store:
        return hashlib.sha256(repr((content(library), list(store.everything()))).encode()).hexdigest()


def read_by(
    way: ReadingWorkers, scans: Path, folder: Path, reader: LineReader, tick: Callable[[int, int], None]
) -> float:
    """The seconds that a new archive takes to be read."""
    library = Library.create(folder, "drawn")
    add_pages_from(library, sorted(scans.rglob("*.jpg")), "", fetch=False, progress=lambda done, of: None)
    making = provenance_of_reader(reader, READER, LEAST)
    write_index_provenance(library, making)
    started = time.monotonic()
    report = read_pages(library, way, making.origin, progress=tick)
    assert report.pages == PAGES and not report.bad, report
    return time.monotonic() - started


def main() -> None:
    """Five ways, one after the other."""
    facts = conditions("archive-on-ray")
    reader = LineReader.open(READER)
    here = LocalReader(reader=reader, finder=LineFinder.open().find, min_probability=LEAST)
    ways: list[tuple[str, ReadingWorkers]] = [
        ("one process", here), ("Ray, 1 worker", RayWorkers(reader=READER, min_probability=LEAST, workers=1)),
        ("Ray, 2 workers", RayWorkers(reader=READER, min_probability=LEAST, workers=2)),
        ("Ray, 2 workers, one killed", RayWorkers(reader=READER, min_probability=LEAST, workers=2)),
        ("one process, again", here),
    ]  # fmt: skip
    rows, hashes = list[list[object]](), list[str]()
    with tempfile.TemporaryDirectory() as place:
        scans = make_manuscripts(Path(place) / "scans", pages=PAGES, test_pages=0)
        for title, way in ways:
            killed = list[int]()

            def kill_one(done: int, of: int, *, wanted: bool = "killed" in title, killed: list[int] = killed) -> None:
                if wanted and not killed:
                    killed.append(workers()[0])
                    os.kill(killed[0], signal.SIGKILL)

            folder = Path(place) / title
            seconds = read_by(way, scans, folder, reader, kill_one)
            assert len(killed) == ("killed" in title)
            hashes.append(hash_of(Library.open(folder)))
            rows.append([title, f"{seconds:.0f}", f"{PAGES / seconds:.2f}", "yes" if hashes[-1] == hashes[0] else "no"])
            print(rows[-1], flush=True)
    text = f"{__doc__}\n{PAGES} pages.\n\n" + table(["way", "seconds", "pages/s", "same"], rows)
    keep("archive-on-ray", "An archive read by several workers", text, facts, {"rows": rows, "hashes": hashes})


if __name__ == "__main__":
    main()
