"""Spots in one SQLite file: the store for a laptop, and for the shards of a large archive."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from capas.core.databases import DATABASE_ERRORS, connect, database_error, enable_wal
from capas.core.errors import CapasError
from capas.core.files import write_error
from capas.keyword_index.query_limit import exceeds_query_limit, query_too_slow
from capas.keyword_index.sql_store import (
    BYTES,
    COMPACT,
    COUNTS,
    DELETE_PAGE,
    INCOMING,
    INSERT_INCOMING,
    SqlStore,
    Value,
    incoming_rows,
    meta_rows,
)
from capas.keyword_index.store import IndexOrigin, Spot

WAIT_S: Final = 60.0
STEPS_BETWEEN_CHECKS: Final = 20_000
APPLICATION: Final = 0x63617073  # "caps", which the file's head holds
_TABLES: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE, folded TEXT NOT NULL)",
    "CREATE INDEX words_folded ON words (folded)",
    # AUTOINCREMENT: the number of a page that was replaced is never given to another.
    "CREATE TABLE pages (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE spots (word INTEGER, probability INTEGER, page INTEGER, line INTEGER, start INTEGER, width INTEGER,"
    " PRIMARY KEY (word, probability DESC, page, line, start)) WITHOUT ROWID",
    *COUNTS,
)
_WANT: Final = (
    "INSERT INTO wanted SELECT p.id, json_extract(w.value, '$[1]'), p.name"
    " FROM json_each(?) w CROSS JOIN pages p WHERE p.name = json_extract(w.value, '$[0]')"
)


class SqliteSpots(SqlStore):
    """The file at ``path``; with an ``origin`` it is created where there is none.

    One object serves one thread; several processes may read and write one file.

    Raises:
        CapasError: ``spots_missing``, ``spots_unreadable``, ``spots_differ`` or ``cannot_write``.
    """

    def __init__(self, path: Path, origin: IndexOrigin | None = None) -> None:
        if origin is None and not path.is_file():
            raise CapasError("spots_missing", where=path)
        self.path = path
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = connect(path, WAIT_S, autocommit=True)
            # Asked by SQLite itself every so many of its steps: a long query ends as its asker's time does.
            self._connection.set_progress_handler(exceeds_query_limit, STEPS_BETWEEN_CHECKS)
            try:
                self._prepare(origin)
                super().__init__(origin, str(path))
            except BaseException:
                self._connection.close()
                raise

    def add(self, pages: Sequence[str], spots: Iterable[Spot]) -> None:
        """Store the spots of whole pages, all of them or none; existing pages are replaced."""
        with self._errors(), self._writing():
            for statement in DELETE_PAGE:
                self._connection.executemany(statement, [(page,) for page in pages])
            self._connection.executemany("INSERT INTO pages (name) VALUES (?)", [(page,) for page in pages])
            self._connection.execute(INCOMING)
            self._connection.executemany(
                "INSERT INTO incoming VALUES (?, ?, ?, ?, ?, ?, ?)", incoming_rows(pages, spots)
            )
            self._run(*INSERT_INCOMING)

    def compact(self) -> None:
        """Free the space of replaced pages, and count the spots of frequent words for ``histogram``.

        Needs as much space again while it runs.
        """
        with self._errors():
            gone = self._number("SELECT count(*) FROM gone")
            with self._writing():
                self._run(*COMPACT)
            if gone:
                self._run("VACUUM")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _prepare(self, origin: IndexOrigin | None) -> None:
        run = self._connection.execute
        if origin is not None:
            with self._writing():
                if run("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
                    for statement in _TABLES:
                        run(statement)
                    self._connection.executemany("INSERT INTO meta VALUES (?, ?)", meta_rows(origin))
                    run(f"PRAGMA application_id = {APPLICATION}")
        if run("PRAGMA application_id").fetchone()[0] != APPLICATION:
            if run("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
                raise CapasError("spots_missing", where=self.path)  # creating it was interrupted
            raise sqlite3.DatabaseError("another program's database")
        # Searching goes on while pages are added; a kill or a power cut loses at most what was being added.
        enable_wal(self._connection, self.path, durable=False)
        run("PRAGMA temp_store = MEMORY")
        run("PRAGMA cache_size = -65536")  # 64 MB
        for statement in BYTES:
            run(statement)

    def _rows(self, statement: str, *values: Value) -> Iterator[tuple[Value, ...]]:
        with self._errors():
            # "yield from" would close the cursor with the generator, perhaps after the connection.
            for row in self._connection.execute(statement, values):  # noqa: UP028
                yield row

    def _many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        with self._errors():
            self._connection.executemany(statement, rows)

    def _want(self, places: Sequence[tuple[str, int]]) -> None:
        with self._errors():
            self._connection.execute("DELETE FROM wanted")
            self._connection.execute(_WANT, (json.dumps(places),))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One writer at a time, all or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except DATABASE_ERRORS as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                raise query_too_slow() from error
            raise database_error(self.path, error, "spots_unreadable") from error
        except OSError as error:
            raise write_error(self.path, error) from error


def empty_log(path: Path) -> None:
    """Write everything that the write-ahead log of the index at ``path`` holds into the file itself.

    A file that is no index, or a damaged one, is left as it is.

    Raises:
        CapasError: ``database_busy`` where somebody goes on reading from the log, and those of ``database_error``.
    """
    try:
        with closing(connect(path, WAIT_S, autocommit=True)) as connection:
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except DATABASE_ERRORS as error:
        found = database_error(path, error, "spots_unreadable")
        if found.key == "spots_unreadable":
            return
        raise found from error
    if busy:
        raise CapasError("database_busy", where=path, received="wal_checkpoint")
