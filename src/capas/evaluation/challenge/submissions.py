"""The submissions of a challenge: one SQLite file, safe for several processes at once."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from capas.core.databases import DATABASE_ERRORS, database_error
from capas.core.errors import CapasError

WAIT_S: Final = 30.0
_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS submissions (number INTEGER PRIMARY KEY, team TEXT NOT NULL, hash TEXT NOT NULL, "
    "received TEXT NOT NULL, path TEXT NOT NULL, value REAL NOT NULL, UNIQUE (team, hash))",
    "CREATE TABLE IF NOT EXISTS closed (at TEXT NOT NULL)",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """A submission.

    Attributes:
        number: Its number.
        team: The team.
        hash: Hash of its content.
        received: When, in UTC.
        path: Path of the copy, relative to the private folder.
        value: The headline metric that the team was told.
    """

    number: int
    team: str
    hash: str
    received: datetime
    path: str
    value: float


_SUBMISSION: Final = TypeAdapter(Submission)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """At most ``count`` submissions of a team, a day (in UTC) or in ``total``."""

    count: int
    total: bool


class Submissions:
    """The file at ``path``, created when it is first opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(
        self, team: str, digest: str, value: float, *, now: datetime, limit: Limit | None, keep: Callable[[], str]
    ) -> Submission:
        """Store a submission, ``keep`` making the copy; content that the team has submitted before is not counted
        again.

        Other processes wait in the meantime, so that two at once cannot pass the limit together.

        Raises:
            CapasError: ``challenge_limit`` or ``challenge_closed``.
        """
        with self._open() as connection:
            self._refuse_closed(connection)
            before = _select(connection, "WHERE team = ? AND hash = ?", (team, digest))
            if before:
                return before[0]
            self._refuse_over(connection, team, now, limit)
            row = (team, digest, now.astimezone(UTC).isoformat(), keep(), value)
            connection.execute(
                "INSERT INTO submissions (team, hash, received, path, value) VALUES (?, ?, ?, ?, ?)", row
            )
            return _select(connection, "WHERE team = ? AND hash = ?", (team, digest))[0]

    def check(self, team: str, digest: str, *, now: datetime, limit: Limit | None) -> None:
        """Raise as ``add`` would, before anything is scored."""
        with self._open() as connection:
            self._refuse_closed(connection)
            if not _select(connection, "WHERE team = ? AND hash = ?", (team, digest)):
                self._refuse_over(connection, team, now, limit)

    def all(self) -> list[Submission]:
        """Return all submissions, in order of time."""
        with self._open() as connection:
            return _select(connection, "", ())

    def left(self, team: str, *, now: datetime, limit: Limit | None) -> int | None:
        """Return how many more the team may submit (today); None without a limit."""
        if limit is None:
            return None
        with self._open() as connection:
            return max(0, limit.count - len(_counted(connection, team, now, limit)))

    def close(self, now: datetime) -> None:
        """Close the challenge to submissions."""
        with self._open() as connection:
            if not self._closed(connection):
                connection.execute("INSERT INTO closed VALUES (?)", (now.astimezone(UTC).isoformat(),))

    def is_closed(self) -> bool:
        """Return whether ``close`` was called."""
        with self._open() as connection:
            return self._closed(connection)

    def _closed(self, connection: sqlite3.Connection) -> bool:
        return int(connection.execute("SELECT count(*) FROM closed").fetchone()[0]) > 0

    def _refuse_closed(self, connection: sqlite3.Connection) -> None:
        if self._closed(connection):
            raise CapasError("challenge_closed", where=self.path.parent.parent)

    def _refuse_over(self, connection: sqlite3.Connection, team: str, now: datetime, limit: Limit | None) -> None:
        if limit is None:
            return
        counted = _counted(connection, team, now, limit)
        if len(counted) >= limit.count:
            per = "total" if limit.total else "day"
            raise CapasError("challenge_limit", where=team, received=len(counted), limit=limit.count, per=per)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=WAIT_S, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    for table in _TABLES:
                        connection.execute(table)
                    yield connection
                except BaseException:
                    connection.rollback()  # not the statement: on a full disk SQLite has done so itself
                    raise
                connection.execute("COMMIT")
        except DATABASE_ERRORS as error:
            raise database_error(self.path, error, "challenge_broken") from error


def _counted(connection: sqlite3.Connection, team: str, now: datetime, limit: Limit) -> list[Submission]:
    found = _select(connection, "WHERE team = ?", (team,))
    today = now.astimezone(UTC).date()
    return found if limit.total else [one for one in found if one.received.date() == today]


def _select(connection: sqlite3.Connection, where: str, values: tuple[str, ...]) -> list[Submission]:
    columns = "number, team, hash, received, path, value"
    rows = connection.execute(f"SELECT {columns} FROM submissions {where} ORDER BY number", values).fetchall()
    names = columns.split(", ")
    try:
        return [_SUBMISSION.validate_python(dict(zip(names, row, strict=True))) for row in rows]
    except ValidationError as error:
        first = error.errors()[0]
        raise sqlite3.DatabaseError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
