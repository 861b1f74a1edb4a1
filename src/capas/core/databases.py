"""SQLite connections: read-only folders, write-ahead logging, and errors that say what to do."""

import os
import shutil
import sqlite3
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError

PRIMARY_CODE_MASK: Final = 0xFF  # of an extended code of SQLite, the part that names the kind
MIN_FREE_BYTES: Final = 1 << 20  # bytes; with less, SQLite's journal fails with "disk I/O error"
BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
NOT_WRITABLE: Final = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH)


def connect(path: Path, wait_s: float, *, autocommit: bool = False) -> sqlite3.Connection:
    """Open a connection that waits ``wait_s`` seconds for other writers.

    In a read-only folder the file is read as it stands, without the files that SQLite lays beside it.
    """
    name = str(path) if _may_write(path) else f"{path.resolve().as_uri()}?immutable=1"
    return sqlite3.connect(name, timeout=wait_s, uri=name.startswith("file:"),
                           isolation_level=None if autocommit else "DEFERRED")  # fmt: skip


def enable_wal(connection: sqlite3.Connection, path: Path) -> None:
    """Switch to write-ahead logging: others read while one writes; a power cut loses at most the last transaction."""
    if _may_write(path):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")


def _may_write(path: Path) -> bool:
    return os.access(path.parent, os.W_OK)


def database_error(path: Path, error: sqlite3.Error, damaged: str) -> CapasError:
    """Return the failure as CapasError: ``disk_full``, ``database_busy``, ``database_shut``, or the key ``damaged``."""
    # Errors that Python itself raises carry no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & PRIMARY_CODE_MASK
    key = damaged
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _free(path) < MIN_FREE_BYTES):
        key = "disk_full"
    elif code in BUSY:
        key = "database_busy"
    elif code in NOT_WRITABLE:
        key = "database_shut"
    return CapasError(key, where=path, received=str(error))


def _free(path: Path) -> int:
    """Bytes that can still be written beside ``path``."""
    return shutil.disk_usage(path.parent).free
