"""Storage of the board: one SQLite file, safe for several processes at once."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from capas.core.databases import DATABASE_ERRORS, database_error
from capas.core.errors import CapasError
from capas.core.files import write_error
from capas.leaderboard.entry import Entry

VERSION: Final = 1
WAIT_S: Final = 20.0
_COLUMNS = tuple(Entry.model_fields)


def board_home() -> Path:
    """Return ``$CAPAS_BOARD``, or ``board.sqlite`` in the user's data folder."""
    if chosen := os.environ.get("CAPAS_BOARD"):
        return Path(chosen)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "capas" / "board.sqlite"


class Board:
    """The board in the file ``path``, created on the first write."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = board_home() if path is None else path

    def add(self, entries: Sequence[Entry]) -> int:
        """Store ``entries``, replacing those with the same id; return how many are new.

        Raises:
            CapasError: ``board_unreadable``, ``disk_full``, ``database_busy``, ``database_shut`` or ``cannot_write``.
        """
        with self._open(write=True) as connection:
            before = _count(connection)
            marks = ", ".join("?" * (len(_COLUMNS) + 1))
            rows = [(entry.id, *(getattr(entry, name) for name in _COLUMNS)) for entry in entries]
            connection.executemany(f"INSERT OR REPLACE INTO entries VALUES ({marks})", rows)
            return _count(connection) - before

    def entries(self) -> list[Entry]:
        """Return all entries, the latest first; none where there is no file. Raises CapasError ``board_unreadable``."""
        if not self.path.is_file():
            return []
        with self._open(write=False) as connection:
            if not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                return []  # creating it was interrupted
            names = ", ".join(_COLUMNS)
            rows = connection.execute(f"SELECT {names} FROM entries ORDER BY created DESC, rowid DESC").fetchall()
        try:
            return [Entry(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]
        except ValidationError as error:
            raise CapasError("board_unreadable", where=self.path, received=str(error.errors()[0]["msg"])) from error

    def remove(self, ids: Sequence[str]) -> int:
        """Delete entries; return how many there were."""
        with self._open(write=True) as connection:
            return sum(connection.execute("DELETE FROM entries WHERE id = ?", (name,)).rowcount for name in ids)

    @contextmanager
    def _open(self, *, write: bool) -> Iterator[sqlite3.Connection]:
        try:
            if write:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=WAIT_S)) as connection, connection:
                found = connection.execute("PRAGMA user_version").fetchone()[0]
                if found > VERSION:
                    raise CapasError("board_unreadable", where=self.path, received=f"version {found}")
                if write:
                    connection.execute(_TABLE)
                    connection.execute(f"PRAGMA user_version = {VERSION}")
                yield connection
        except DATABASE_ERRORS as error:
            key = "cannot_write" if write and not self.path.is_file() else "board_unreadable"
            raise database_error(self.path, error, key) from error
        except OSError as error:
            raise write_error(self.path, error) from error


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM entries").fetchone()[0])


_TYPES = {"value": "REAL NOT NULL", "low": "REAL", "high": "REAL", "n": "INTEGER NOT NULL", "seconds": "REAL",
          "parameters": "INTEGER NOT NULL", "seed": "INTEGER"}  # fmt: skip
_TABLE = (
    "CREATE TABLE IF NOT EXISTS entries (id TEXT PRIMARY KEY, "
    + ", ".join(f"{name} {_TYPES.get(name, 'TEXT')}" for name in _COLUMNS)
    + ")"
)
