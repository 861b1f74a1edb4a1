"""The library's database: one SQLite file with the position of each page, its lines and their text.

Images stay where they are; a page is identified by the hash of its file and the number of its frame. Every change of a
page is one transaction, so that a killed process leaves whole pages behind.

``units``: the hierarchy of an archive (fonds / series / unit) as paths with "/"; ``pages``: one row per page, in the
order of its unit; ``lines``: their geometry and text; ``posteriors``: the compressed network outputs; ``reviews``: who
said what about a line or a hit, and where on the page that line lay.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from capas.archive.library.line_geometry import line_at, line_geometry
from capas.core.databases import DATABASE_ERRORS, connect, database_error, enable_wal
from capas.core.errors import CapasError
from capas.core.files import write_error
from capas.core.inert_text import inert
from capas.page_formats.page import Line

FILE: Final = "archive.sqlite"
VERSION: Final = 3
WAIT_S: Final = 30.0
_PINNED: Final[ContextVar[tuple[Path, sqlite3.Connection] | None]] = ContextVar("capas_library_snapshot", default=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class PageRow:
    """A page.

    Attributes:
        id: Primary key.
        unit: Its unit.
        position: Its place in the unit.
        label: Its label, such as "12r".
        source: Path of its file.
        frame: Frame number in the file.
        hash: Hash of the file.
        width: Width in pixels.
        height: Height in pixels.
        transcript: PAGE or ALTO file beside it, or "".
        problem: Why it cannot be read, or "".
        lines_from: Origin of the lines: "", "transcript" or "found".
        model: Hash of the model that transcribed it, or "".
    """

    id: int
    unit: str
    position: int
    label: str
    source: str
    frame: int
    hash: str
    width: int
    height: int
    transcript: str
    problem: str
    lines_from: str
    model: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LineRow:
    """A line of a page.

    Attributes:
        page: Its page.
        number: Its number on the page.
        line: Its geometry.
        target: Reference text by a person; None where there is none.
        text: The model's transcript.
        confidence: The model's confidence.
    """

    page: int
    number: int
    line: Line
    target: str | None
    text: str
    confidence: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class NewPage:
    """A page to be added."""

    unit: str
    label: str
    source: str
    frame: int
    hash: str
    width: int
    height: int
    transcript: str = ""
    transcript_hash: str = ""
    problem: str = ""


class Library:
    """The library in ``folder``. ``Library.create`` makes one, ``Library.open`` needs an existing one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def create(folder: Path, title: str) -> "Library":
        """Create an empty library, also where creating one was interrupted.

        Raises:
            CapasError: ``archive_exists`` or ``cannot_write``.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(folder, error) from error
        library = Library(folder)
        with library.changing() as connection:
            if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                raise CapasError("archive_exists", where=folder)
            for statement in _SCHEMA.split(";"):  # executescript() would keep each by itself
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("INSERT INTO facts VALUES ('title', ?)", (title or inert(folder.name),))
        return library

    @staticmethod
    def open(folder: Path) -> "Library":
        """Open an existing library.

        Raises CapasError ``no_archive``, ``archive_version``, or as ``database_error`` says.
        """
        if not (folder / FILE).is_file():
            raise CapasError("no_archive", where=folder)
        library = Library(folder)
        with library.reading() as connection:
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if not found and not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                raise CapasError("no_archive", where=folder)  # creating it was interrupted
            if found != VERSION:
                raise CapasError("archive_version", where=folder / FILE, received=found, ours=VERSION)
        return library

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction: all changes are committed at the end of the block, or none on an error.

        One writer at a time, from the first read on, so that what was read holds until the commit.
        """
        with self._connected() as connection, connection:
            enable_wal(connection, self.folder / FILE, durable=True)
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Open a connection for reading, or go on with that of ``snapshot``."""
        pinned = _PINNED.get()
        if pinned is not None and pinned[0] == self.folder:
            yield pinned[1]
            return
        with self._connected() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read within the block from one connection, and one state of the library, whoever writes meanwhile."""
        with self.reading() as connection:
            if connection.in_transaction:
                yield
                return
            connection.execute("BEGIN")
            mark = _PINNED.set((self.folder, connection))
            try:
                yield
            finally:
                _PINNED.reset(mark)
                connection.rollback()

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(connect(self.folder / FILE, WAIT_S)) as connection:
                yield connection
        except DATABASE_ERRORS as error:
            raise database_error(self.folder / FILE, error, "archive_unreadable") from error
        except UnicodeEncodeError as error:  # bytes of a command line, or half a surrogate pair of a request
            raise CapasError("text_not_utf8", where=self.folder, received=inert(str(error.object))[:80]) from error

    # Facts

    def fact(self, name: str) -> str:
        """Return a fact about the library ("title", "reader" …), "" where it is unknown."""
        with self.reading() as connection:
            row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Store a fact."""
        with self.changing() as connection:
            connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    # Pages

    def add_pages(self, pages: Sequence[NewPage]) -> int:
        """Append pages to their units; return how many are new or changed.

        A page whose file and frame are known is left alone, or reset where its content has changed.
        """
        with self.changing() as connection:
            return sum(_add_page(connection, page) for page in pages)

    def known(self, source: str) -> dict[int, str]:
        """Return frame → hash of the pages from a file."""
        with self.reading() as connection:
            rows = connection.execute("SELECT frame, hash FROM pages WHERE source = ?", (source,)).fetchall()
        return {int(frame): str(found) for frame, found in rows}

    def pages(self, unit: str = "") -> list[PageRow]:
        """Return the pages of a unit and of the units below it, in order; all without a unit."""
        where, values = ("", ()) if not unit else ("WHERE unit = ? OR unit GLOB ?", (unit, f"{_literal(unit)}/*"))
        with self.reading() as connection:
            rows = connection.execute(
                f"SELECT {_PAGE_COLUMNS} FROM pages {where} ORDER BY unit, position, id", values
            ).fetchall()
            return [_page_row(row) for row in rows]

    def pages_of(self, unit: str) -> frozenset[str]:
        """Return the page identifiers, as an index has them, of a unit and of the units below it."""
        with self.reading() as connection:
            rows = connection.execute("SELECT id FROM pages WHERE unit = ? OR unit GLOB ?",
                                      (unit, f"{_literal(unit)}/*")).fetchall()  # fmt: skip
        return frozenset(str(number) for (number,) in rows)

    def units_of(self, pages: Iterable[str]) -> dict[str, str]:
        """Return the unit of each of these pages."""
        asked = "SELECT w.value, p.unit FROM json_each(?) w CROSS JOIN pages p WHERE p.id = CAST(w.value AS INTEGER)"
        with self.reading() as connection:
            return {str(page): str(unit) for page, unit in connection.execute(asked, (json.dumps(list(pages)),))}

    def by_unit(self, by_page: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
        """Sum counts per page to counts per unit, in the order of the units."""
        asked = ("SELECT p.unit, sum(json_extract(w.value, '$[1]')) FROM json_each(?) w CROSS JOIN pages p"
                 " WHERE p.id = CAST(json_extract(w.value, '$[0]') AS INTEGER)"
                 " GROUP BY p.unit ORDER BY p.unit")  # fmt: skip
        with self.reading() as connection:
            rows = connection.execute(asked, (json.dumps(list(by_page.items())),)).fetchall()
        return tuple((str(unit), int(count)) for unit, count in rows)

    def page(self, number: int) -> PageRow:
        """Return a page. Raises CapasError ``no_such_page``."""
        with self.reading() as connection:
            return self._page(connection, number)

    def whole(self, number: int, *, posteriors: bool) -> tuple[PageRow, list[LineRow], dict[int, bytes]]:
        """Return a page, its lines and (if asked) their posteriors by number, in one consistent snapshot.

        Raises:
            CapasError: ``no_such_page``.
        """
        with self.snapshot(), self.reading() as connection:
            contents = _posteriors(connection, number) if posteriors else {}
            return self._page(connection, number), _lines(connection, number), contents

    def _page(self, connection: sqlite3.Connection, number: int) -> PageRow:
        row = connection.execute(f"SELECT {_PAGE_COLUMNS} FROM pages WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise CapasError("no_such_page", where=self.folder, received=number)
        return _page_row(row)

    def units(self) -> list[tuple[str, int]]:
        """Return the units that hold pages, with their numbers of pages."""
        with self.reading() as connection:
            rows = connection.execute("SELECT unit, count(*) FROM pages GROUP BY unit ORDER BY unit").fetchall()
        return [(str(unit), int(count)) for unit, count in rows]

    def set_problem(self, page: int, problem: str) -> None:
        """Record why a page cannot be read."""
        with self.changing() as connection:
            connection.execute("UPDATE pages SET problem = ? WHERE id = ?", (problem, page))

    # Lines

    def set_lines(self, page: int, lines: Sequence[Line], *, origin: str) -> None:
        """Store the lines of a page, in reading order; ``origin``: "transcript" (their texts are references) or
        "found".

        What people said of a line follows its place on the page, whatever its id is now. Where no line lies there any
        more, it is kept apart (``unplaced_reviews``) until one does. Of lines that share an id, the later ones get
        another.
        """
        from capas.archive.library.review_places import place_reviews  # NumPy, which most commands do without

        with self.changing() as connection:
            height = self._page(connection, page).height
            _forget_lines(connection, page)
            for number, (name, line) in enumerate(zip(_distinct([line.id for line in lines]), lines, strict=True)):
                truth = line.text or None if origin == "transcript" else None
                connection.execute(_NEW_LINE, (page, number, name, line.region, line_geometry(line), truth))
            place_reviews(connection, page, [row.line for row in _lines(connection, page)], height)
            connection.execute("UPDATE pages SET lines_from = ?, model = '', problem = '' WHERE id = ?", (origin, page))

    def unplaced_reviews(self) -> int:
        """Return the number of reviews whose line is no longer on its page, or whose page has another picture."""
        with self.reading() as connection:
            return int(connection.execute("SELECT count(*) FROM reviews WHERE line = ''").fetchone()[0])

    def set_answers(self, page: int, answers: Sequence[tuple[str, float, bytes]], model: str) -> None:
        """Store text, confidence and posteriors of each line of a page, and the model's hash.

        Raises:
            ValueError: Their number differs from that of the lines.
        """
        with self.changing() as connection:
            held = connection.execute("SELECT count(*) FROM lines WHERE page = ?", (page,)).fetchone()[0]
            if held != len(answers):
                raise ValueError(f"{len(answers)} answers to {held} lines")
            connection.execute("DELETE FROM posteriors WHERE page = ?", (page,))
            for number, (text, confidence, content) in enumerate(answers):
                connection.execute(
                    "UPDATE lines SET text = ?, confidence = ? WHERE page = ? AND number = ?",
                    (text, confidence, page, number),
                )
                connection.execute("INSERT INTO posteriors VALUES (?, ?, ?)", (page, number, content))
            connection.execute("UPDATE pages SET model = ?, problem = '' WHERE id = ?", (model, page))

    def posteriors(self, page: int) -> dict[int, bytes]:
        """Return the stored posteriors of a page by line number."""
        with self.reading() as connection:
            return _posteriors(connection, page)

    def lines(self, page: int) -> list[LineRow]:
        """Return the lines of a page in reading order."""
        with self.reading() as connection:
            return _lines(connection, page)


def _add_page(connection: sqlite3.Connection, page: NewPage) -> bool:
    found = connection.execute(
        "SELECT id, hash, transcript, transcript_hash FROM pages WHERE source = ? AND frame = ?",
        (page.source, page.frame),
    ).fetchone()
    if found is not None and found[1:] == (page.hash, page.transcript, page.transcript_hash):
        return False
    if found is not None:
        if found[1] != page.hash:  # of the same picture, what people said of its lines outlives another transcript
            _forget_lines(connection, found[0])
            connection.execute("UPDATE reviews SET line = '', place = '' WHERE page = ?", (found[0],))
        connection.execute(
            "UPDATE pages SET hash = ?, width = ?, height = ?, transcript = ?, transcript_hash = ?, problem = ?, "
            "lines_from = '', model = '' WHERE id = ?",
            (page.hash, page.width, page.height, page.transcript, page.transcript_hash, page.problem, found[0]),
        )
        return True
    position = connection.execute("SELECT count(*) FROM pages WHERE unit = ?", (page.unit,)).fetchone()[0]
    connection.execute(
        "INSERT INTO pages (unit, position, label, source, frame, hash, width, height, transcript, transcript_hash, "
        "problem) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (page.unit, position, page.label, page.source, page.frame, page.hash, page.width, page.height,
         page.transcript, page.transcript_hash, page.problem),
    )  # fmt: skip
    return True


def _lines(connection: sqlite3.Connection, page: int) -> list[LineRow]:
    rows = connection.execute(f"SELECT {_LINE_COLUMNS} FROM lines WHERE page = ? ORDER BY number", (page,)).fetchall()
    return [_line_row(page, row) for row in rows]


def _posteriors(connection: sqlite3.Connection, page: int) -> dict[int, bytes]:
    rows = connection.execute("SELECT number, content FROM posteriors WHERE page = ?", (page,)).fetchall()
    if strange := [number for number, content in rows if not isinstance(number, int) or not isinstance(content, bytes)]:
        raise sqlite3.DatabaseError(f"posteriors of line {str(strange[0])[:40]}")
    return dict(rows)


def _forget_lines(connection: sqlite3.Connection, page: int) -> None:
    for table in ("lines", "posteriors"):
        connection.execute(f"DELETE FROM {table} WHERE page = ?", (page,))


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, those that were there before or are empty with a number behind."""
    taken, found = set[str](), list[str]()
    for name in names:
        new, count = name or "line", 1
        while new in taken:
            count += 1
            new = f"{name or 'line'}-{count}"
        taken.add(new)
        found.append(new)
    return found


def _literal(path: str) -> str:
    """A path in which GLOB finds no wildcard."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def _page_row(row: Sequence[object]) -> PageRow:
    names = ("id", "unit", "position", "label", "source", "frame", "hash", "width", "height", "transcript", "problem",
             "lines_from", "model")  # fmt: skip
    try:  # SQLite holds whatever a stranger's program put into a column
        return _PAGE.validate_python(dict(zip(names, row, strict=True)))
    except ValidationError as error:
        first = error.errors()[0]
        raise sqlite3.DatabaseError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _line_row(page: int, row: Sequence[object]) -> LineRow:
    number, name, region, geometry, truth, text, confidence = row
    if not isinstance(number, int) or not isinstance(confidence, float | int | None):
        raise sqlite3.DatabaseError(f"a line of page {page}: {str(number)[:40]}, {str(confidence)[:40]}")
    at = line_at(str(geometry))
    line = Line(
        id=str(name), baseline=at.baseline, polygon=at.polygon, region=str(region), order=number,
        text=str(text if truth is None else truth),
    )  # fmt: skip
    return LineRow(page=page, number=number, line=line, target=None if truth is None else str(truth),
                   text=str(text), confidence=None if confidence is None else float(confidence))  # fmt: skip


_PAGE: Final = TypeAdapter(PageRow)
_PAGE_COLUMNS = "id, unit, position, label, source, frame, hash, width, height, transcript, problem, lines_from, model"
_LINE_COLUMNS = "number, id, region, geometry, truth, text, confidence"
_NEW_LINE = "INSERT INTO lines (page, number, id, region, geometry, truth) VALUES (?, ?, ?, ?, ?, ?)"
_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE pages (
    id INTEGER PRIMARY KEY, unit TEXT NOT NULL, position INTEGER NOT NULL, label TEXT NOT NULL, source TEXT NOT NULL,
    frame INTEGER NOT NULL, hash TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    transcript TEXT NOT NULL, transcript_hash TEXT NOT NULL, problem TEXT NOT NULL,
    lines_from TEXT NOT NULL DEFAULT '', model TEXT NOT NULL DEFAULT '', UNIQUE (source, frame));
CREATE INDEX pages_of_unit ON pages (unit, position);
CREATE TABLE lines (
    page INTEGER NOT NULL, number INTEGER NOT NULL, id TEXT NOT NULL, region TEXT NOT NULL, geometry TEXT NOT NULL,
    truth TEXT, text TEXT NOT NULL DEFAULT '', confidence REAL,
    PRIMARY KEY (page, number)) WITHOUT ROWID;
CREATE TABLE posteriors (page INTEGER NOT NULL, number INTEGER NOT NULL, content BLOB NOT NULL,
    PRIMARY KEY (page, number));
CREATE TABLE reviews (
    id INTEGER PRIMARY KEY, page INTEGER NOT NULL, line TEXT NOT NULL, place TEXT NOT NULL, word TEXT NOT NULL,
    verdict TEXT NOT NULL,
    text TEXT NOT NULL, before TEXT NOT NULL, reviewer TEXT NOT NULL, time TEXT NOT NULL);
CREATE INDEX reviews_of_line ON reviews (page, line);
"""
