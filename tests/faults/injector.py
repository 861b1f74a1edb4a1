"""Faults by plan: the n-th call that changes the disk fails, or the process is killed there.

Counted are the calls of Python that write, create, rename, remove or synchronise, and through its own table of system
calls those of SQLite (which calls fsync directly: that one alone is not among them). What is written when a fault
comes is written half.
"""

import builtins
import contextlib
import ctypes
import errno
import functools
import io
import os
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal
from unittest.mock import patch

Effect = Literal["none", "full", "memory", "kill"]
FAIL_WHEN_FULL: Final = ("fsync", "replace", "rename", "mkdir", "mkstemp", "mkdtemp", "write", "sqlite write")
TIME_LIMIT_S: Final = 20


@dataclass(kw_only=True, slots=True)
class Faults:
    """What happens at which call.

    Attributes:
        effect: "full": from the n-th call on the disk is full; "memory": the n-th call finds no memory; "kill": the
            process ends there; "none": calls are only counted.
        at: The number of the call, from 0.
        names: The calls so far.
    """

    effect: Effect = "none"
    at: int = -1
    names: list[str] = field(default_factory=list)

    def due(self, name: str) -> bool:
        """Count a call; return whether its fault comes."""
        if self.effect == "full" and name not in FAIL_WHEN_FULL:  # to remove a file needs no room
            return False
        self.names.append(name)
        number = len(self.names) - 1
        return number == self.at or (self.effect == "full" and 0 <= self.at < number)

    def strike(self) -> None:
        """Do what is due."""
        if self.effect == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.effect == "memory":
            raise MemoryError
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class HalfWriter:
    """A stream of which the due ``write`` writes a half."""

    def __init__(self, stream: io.IOBase, faults: Faults) -> None:
        self._stream, self._faults = stream, faults

    def write(self, data: bytes | str) -> int:
        if self._faults.due("write"):
            self._stream.write(data[: len(data) // 2])  # type: ignore[attr-defined]
            self._stream.flush()
            self._faults.strike()
        return int(self._stream.write(data))  # type: ignore[attr-defined]

    def __enter__(self) -> "HalfWriter":
        return self

    def __exit__(self, *raised: object) -> None:
        self._stream.close()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


@contextlib.contextmanager
def injected(faults: Faults) -> Iterator[Faults]:
    """Let ``faults`` happen to what is called inside the block."""
    with contextlib.ExitStack() as stack:
        for module, name in (
            (os, "fsync"), (os, "replace"), (os, "rename"), (os, "mkdir"), (os, "unlink"), (os, "rmdir"),
            (tempfile, "mkstemp"), (tempfile, "mkdtemp"),
        ):  # fmt: skip
            real = getattr(module, name)
            stack.enter_context(patch.object(module, name, functools.partial(_called, faults, name, real)))
        stack.enter_context(patch.object(os, "write", functools.partial(_half_written, faults, os.write)))
        opened = functools.partial(_opened, faults, io.open)
        stack.enter_context(patch.object(io, "open", opened))
        stack.enter_context(patch.object(builtins, "open", opened))
        stack.enter_context(_sqlite_calls(faults))
        yield faults


def _called(faults: Faults, name: str, real: Callable[..., object], *arguments: object, **options: object) -> object:
    if faults.due(name):
        faults.strike()
    return real(*arguments, **options)


def _half_written(faults: Faults, real: Callable[[int, bytes], int], descriptor: int, data: bytes) -> int:
    if faults.due("write"):
        real(descriptor, data[: len(data) // 2])
        faults.strike()
    return real(descriptor, data)


def _opened(faults: Faults, real: Callable[..., io.IOBase], *arguments: object, **options: object) -> object:
    stream = real(*arguments, **options)
    mode = str(options.get("mode", arguments[1] if len(arguments) > 1 else "r"))
    return HalfWriter(stream, faults) if set(mode) & set("wax+") else stream


# --- SQLite -----------------------------------------------------------------------------------------------------------

_PWRITE = ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_longlong,
                           use_errno=True)  # fmt: skip
_UNLINK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, use_errno=True)
_SET = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_GET = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)


class _Vfs(ctypes.Structure):
    """``sqlite3_vfs`` of version 3 (https://sqlite.org/c3ref/vfs.html)."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("version", "os_file_size", "max_pathname")),
        *((name, ctypes.c_void_p) for name in ("next", "name", "app_data")),
        ("methods", ctypes.c_void_p * 13),
        ("set_system_call", _SET), ("get_system_call", _GET), ("next_system_call", ctypes.c_void_p),
    )  # fmt: skip


@functools.cache
def _vfs() -> _Vfs | None:
    """SQLite's access to files; None where the library that Python uses does not show it."""
    import _sqlite3

    try:
        find = ctypes.CDLL(_sqlite3.__file__).sqlite3_vfs_find
    except (AttributeError, OSError):
        return None
    find.restype, find.argtypes = ctypes.POINTER(_Vfs), [ctypes.c_char_p]
    found: _Vfs = find(None).contents
    return found if found.version >= 3 else None


def reaches_sqlite() -> bool:
    """Whether the calls of SQLite can be counted here."""
    return _vfs() is not None


@contextlib.contextmanager
def _sqlite_calls(faults: Faults) -> Iterator[None]:
    vfs = _vfs()
    if vfs is None:
        yield
        return
    kept: list[object] = []  # what C calls must not be collected
    for name in (b"pwrite64", b"pwrite"):
        if address := vfs.get_system_call(ctypes.addressof(vfs), name):
            kept.append(_PWRITE(functools.partial(_pwrite, faults, _PWRITE(address))))
            _set_call(vfs, name, ctypes.cast(kept[-1], ctypes.c_void_p))  # type: ignore[arg-type]
    remove = _UNLINK(vfs.get_system_call(ctypes.addressof(vfs), b"unlink"))
    kept.append(_UNLINK(functools.partial(_unlink, faults, remove)))
    _set_call(vfs, b"unlink", ctypes.cast(kept[-1], ctypes.c_void_p))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in (b"pwrite64", b"pwrite", b"unlink"):
            _set_call(vfs, name, None)


def _set_call(vfs: _Vfs, name: bytes, call: ctypes.c_void_p | None) -> None:
    vfs.set_system_call(ctypes.addressof(vfs), name, call)


def _pwrite(faults: Faults, real: Callable[..., int], descriptor: int, data: int | None, size: int, offset: int) -> int:
    if faults.effect != "memory" and faults.due("sqlite write"):
        real(descriptor, data, size // 2, offset)
        if faults.effect == "kill":
            faults.strike()
        ctypes.set_errno(errno.ENOSPC)
        return -1
    return real(descriptor, data, size, offset)


def _unlink(faults: Faults, real: Callable[..., int], path: bytes) -> int:
    if faults.effect != "memory" and faults.due("sqlite unlink"):
        faults.strike()
    return real(path)


# --- processes --------------------------------------------------------------------------------------------------------


def in_child(work: Callable[[], object]) -> int:
    """Run ``work`` in a forked process; return as ``os.waitstatus_to_exitcode``: 0 done, 1 raised, −9 killed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: the threads of torch do not come along
        child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(TIME_LIMIT_S)
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def with_failing_allocation(number: int, work: Callable[[], object]) -> int:
    """Run ``work`` in a forked process whose ``number``-th allocation by Python fails; as ``in_child``."""
    import _testcapi

    def failing() -> None:
        _testcapi.set_nomemory(number, number + 1)
        work()

    return in_child(failing)
