"""SQLite connections: folders of others, write-ahead logging, and errors that say what to do."""

import os
import shutil
import sqlite3
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError
from capas.core.files import write_error

PRIMARY_CODE_MASK: Final = 0xFF  # of an extended code of SQLite, the part that names the kind
MIN_FREE_BYTES: Final = 1 << 20  # bytes; with less, SQLite's journal fails with "disk I/O error"
CLOCK_STEP_NS: Final = 20_000_000  # two changes of a file within it may have one time
BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
# Beyond a quota, or where the system fails: SQLite tells a full disk alone from other failures to write.
WRITE_FAILED: Final = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC,
                       sqlite3.SQLITE_IOERR_TRUNCATE, sqlite3.SQLITE_IOERR_SHMSIZE)  # fmt: skip
NOT_WRITABLE: Final = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH)


def connect(path: Path, wait_s: float, *, autocommit: bool = False) -> sqlite3.Connection:
    """Open a connection that waits ``wait_s`` seconds for other writers.

    Who may not write in the folder reads the last transaction: through the write-ahead log while somebody has the file
    open, else from a private copy. SQLite can read neither without the files that it lays beside the database, and
    reading the file as if it never changed ("immutable") gives torn pages when its owner writes.
    """
    if _may_write(path):
        return _open(str(path), wait_s, autocommit)
    if _never_changes(path):
        return _open(f"{path.resolve().as_uri()}?immutable=1", wait_s, autocommit)
    deadline = time.monotonic() + wait_s
    while True:
        if path.with_name(f"{path.name}-wal").exists():
            # The first query maps the log; from then on the owner cannot take it away. Before, he may have.
            with suppress(sqlite3.OperationalError):
                return _open(f"{path.resolve().as_uri()}?mode=ro", wait_s, autocommit)
        elif (copy := _SNAPSHOTS.copy_of(path)) is not None:
            return _open(f"{copy.as_uri()}?immutable=1", wait_s, autocommit)
        if time.monotonic() > deadline:
            raise CapasError("database_busy", where=path, received="changed while it was read")
        time.sleep(0.01)


def _open(name: str, wait_s: float, autocommit: bool) -> sqlite3.Connection:
    """Open a connection, and refuse a file that holds code: no table of Capas is a view or has a trigger, and a
    stranger's could run for ever or undo what is written.
    """
    connection = sqlite3.connect(name, timeout=wait_s, uri=name.startswith("file:"),
                                 isolation_level=None if autocommit else "DEFERRED")  # fmt: skip
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        code = connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('view', 'trigger')").fetchone()
        if code is not None:
            raise sqlite3.DatabaseError(f"holds a view or a trigger: {code[0]!s:.80}")
    except BaseException:
        connection.close()
        raise
    return connection


def enable_wal(connection: sqlite3.Connection, path: Path, *, durable: bool) -> None:
    """Switch to write-ahead logging: others read while one writes.

    What is committed is on the disk if ``durable``; else a power cut may take the last transactions back.
    """
    if _may_write(path):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")


def _may_write(path: Path) -> bool:
    return os.access(path.parent, os.W_OK)


def _never_changes(path: Path) -> bool:
    """Whether nobody can write ``path``: on a disc or a snapshot of a file system."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


class _Snapshots:
    """Private copies of databases, one each, made anew when the file has changed; deleted with the process."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._copies: dict[Path, tuple[tuple[int, ...], Path]] = {}
        self._lock = threading.Lock()

    def copy_of(self, path: Path) -> Path | None:
        """Return a copy, or None where the file was changing meanwhile. Raises CapasError ``disk_full`` or
        ``cannot_write``.
        """
        try:
            with self._lock:
                return self._current(path)
        except OSError as error:
            raise write_error(path, error) from error

    def _current(self, path: Path) -> Path | None:
        state = _state(path)
        known = self._copies.get(path)
        if known is not None and known[0] == state:
            return known[1]
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="capas-")
        copy = Path(self._folder.name, f"{len(self._copies)}-{time.monotonic_ns()}.sqlite")
        shutil.copyfile(path, copy)
        if _state(path) != state or path.with_name(f"{path.name}-wal").exists() or _just_written(path):
            copy.unlink()
            return None
        if known is not None:
            known[1].unlink(missing_ok=True)
        self._copies[path] = (state, copy)
        return copy


def _state(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _just_written(path: Path) -> bool:
    """Whether the clock of the file system may not yet tell a second change from the last."""
    return time.time_ns() - path.stat().st_mtime_ns < CLOCK_STEP_NS


_SNAPSHOTS: Final = _Snapshots()


# Python decodes the text of SQLite's own error too, and it may hold what a damaged file does.
DATABASE_ERRORS: Final = (sqlite3.DatabaseError, UnicodeDecodeError)


def database_error(path: Path, error: sqlite3.Error | UnicodeDecodeError, damaged: str) -> CapasError:
    """Return the failure as CapasError: ``disk_full``, ``cannot_write``, ``database_busy``, ``database_shut``, or the
    key ``damaged``.
    """
    # Errors that Python itself raises carry no code.
    extended = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    code = extended & PRIMARY_CODE_MASK
    key = damaged
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _free(path) < MIN_FREE_BYTES):
        key = "disk_full"
    elif extended in WRITE_FAILED:
        key = "cannot_write"
    elif code in BUSY:
        key = "database_busy"
    elif code in NOT_WRITABLE:
        key = "database_shut"
    return CapasError(key, where=path, received=str(error))


def _free(path: Path) -> int:
    """Bytes that can still be written beside ``path``."""
    return shutil.disk_usage(path.parent).free
