"""Atomic file writes (written beside, synced, then renamed), content hashes, and a lock per folder."""

import errno
import fcntl
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say

_FULL = (errno.ENOSPC, errno.EDQUOT)
LOCK = ".lock"
MAX_READ_BYTES: Final = 2_000_000_000  # of a file that is read whole, where its kind has no lower limit
BLOCK_BYTES: Final = 65_536


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write ``path`` so that a reader, a kill or a full disk sees the old content or the new, never a part.

    Raises CapasError ``disk_full`` or ``cannot_write``; the former content then still stands.
    """
    # The undecodable bytes of a file's name: backslashes are how JSON writes them too, and reads them back.
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except BaseException as error:  # where memory or patience ends too, no piece is left
        if temporary:
            with suppress(OSError):
                Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise write_error(path, error) from error
        raise


def write_error(path: Path, error: OSError) -> CapasError:
    """Return the CapasError of a failed write: a full disk, a limit of a file's size, or a forbidden place."""
    keys = {**dict.fromkeys(_FULL, "disk_full"), errno.EFBIG: "file_size_limit"}
    return CapasError(keys.get(error.errno or 0, "cannot_write"), where=path, received=error.strerror or str(error))


def write_json(path: Path, value: object) -> None:
    """Write ``value`` atomically as readable JSON (UTF-8, two spaces)."""
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_file(path: Path) -> bool:
    """Return whether ``path`` is a file; a name that no file can have (too long, with a zero byte) is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Return whether ``path`` is a folder; a name that no folder can have is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def open_regular(path: Path, *, follow_links: bool = True) -> BufferedReader:
    """Open a file of somebody else's for reading.

    A pipe or a device is refused: reading it would wait, or never end. The file is asked once it is open, so that none
    can be put in its place in between.

    Args:
        path: The file.
        follow_links: Whether ``path`` may be a symbolic link.

    Raises:
        OSError: It cannot be opened, or is no file (``EINVAL``), or is a link (``ELOOP``).
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow_links else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except ValueError as error:  # a zero byte in the name
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, say("files.not_regular"), str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, *, max_bytes: int = MAX_READ_BYTES, follow_links: bool = True) -> bytes:
    """Return the content of a file of somebody else's, as ``open_regular`` opens it.

    Raises:
        OSError: As ``open_regular``; ``EFBIG`` where it has more than ``max_bytes``, which are then not read.
    """
    with open_regular(path, follow_links=follow_links) as stream:
        size = os.fstat(stream.fileno()).st_size
        # ``read`` reserves the memory for all that it is asked for, before it knows how much there is.
        content = b"" if size > max_bytes else stream.read(size + 1)
        while size < len(content) <= max_bytes:  # it grew while it was read
            size = len(content)
            content += stream.read(min(size + BLOCK_BYTES, max_bytes + 1 - size))
        if max(size, len(content)) > max_bytes:
            raise OSError(errno.EFBIG, say("files.too_large", size=max(size, len(content)), most=max_bytes), str(path))
        return content


def hash_file(path: Path) -> str:
    """Return ``content_hash`` of a file, read in blocks. Raises OSError as ``open_regular``."""
    with open_regular(path) as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def content_hash(data: bytes | memoryview) -> str:
    """Return the BLAKE2b hash of the content, 128 bits as 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for this process; raises CapasError ``run_is_busy`` when another holds it.

    The lock is the kernel's (flock), so a killed process never leaves it behind.
    """
    lock = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = open(lock, "a+", encoding="utf-8")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise write_error(folder, error) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            raise CapasError("run_is_busy", where=folder, received=stream.read().strip() or "?") from error
        try:
            os.ftruncate(stream.fileno(), 0)
            os.write(stream.fileno(), str(os.getpid()).encode())  # unbuffered: a full disk shows here, not when closing
        except OSError as error:
            raise write_error(lock, error) from error
        yield
