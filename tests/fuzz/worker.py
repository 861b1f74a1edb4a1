"""Reads hostile inputs in a forked process with a limit of memory and of time, and says what they did to it.

Only CapasError may come out of a reader. A process that hangs or dies costs its input, not the rest.
"""

import faulthandler
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError
from tests.fuzz.formats import FORMATS, Files, Format
from tests.fuzz.mutators import mutated

MEMORY_BYTES: Final = 1_500_000_000  # beyond what the process has already
CPU_S: Final = 5.0  # of one input: processor time, so that a busy machine changes nothing
WAITS_S: Final = 20.0  # of one input by the clock: for what waits without computing, such as for a pipe
HANGS_S: Final = 60.0  # without a word of the process
_MAX_FINDINGS: Final = 3  # of one format and one kind of failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What an input did: ``case`` names it, ``failure`` says what came out of which line."""

    case: str
    failure: str


class TookTooLong(BaseException):
    """Raised in a reader that has used its time."""


Case = tuple[str, Callable[[Path], object]]
"""A name, and what puts the input into an empty folder and reads it."""


def mutated_input(name: str, number: int, seed: int) -> Files:
    """Return the files of the input ``number`` of a format; the same each time."""
    found = FORMATS[name]
    files = dict(found.seed())
    files[found.target] = mutated(files[found.target], random.Random(f"{seed}/{name}/{number}"))
    return files


def put(folder: Path, files: Files) -> None:
    """Write the files below ``folder``."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def mutated_cases(names: Sequence[str], each: int, seed: int) -> list[Case]:
    """Return ``each`` cases of every format, less of those whose share is less."""
    return [
        (f"{name} #{number} of seed {seed}", _mutated_case(name, number, seed))
        for name in names
        for number in range(max(1, round(each * FORMATS[name].share)))
    ]


def _mutated_case(name: str, number: int, seed: int) -> Callable[[Path], object]:
    def read(folder: Path) -> None:
        read_files(FORMATS[name], mutated_input(name, number, seed), folder)

    return read


def read_files(found: Format, files: Files, folder: Path) -> None:
    """Read an input in ``folder``."""
    put(folder, files)
    found.beside(folder)
    found.read(folder)


def findings(cases: Sequence[Case], *, place: Path | None = None) -> Iterator[Finding]:
    """Read every case, in as few processes as they allow; yield what should not have happened."""
    start = 0
    with tempfile.TemporaryDirectory(dir=place or _memory_disk()) as folder:
        while start < len(cases):
            begun = start - 1
            reader, child = _forked(cases, start, Path(folder))
            with os.fdopen(reader, "rb") as lines:
                for line in _timed(lines, child):
                    said = json.loads(line)
                    begun = max(begun, said["case"])
                    if failure := said.get("failure"):
                        yield Finding(case=cases[said["case"]][0], failure=failure)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if status:
                begun = max(begun, start)
                yield Finding(case=cases[begun][0], failure=f"the process ended with {status}")
            start = begun + 1 if status else len(cases)


def _memory_disk() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _timed(lines: "object", child: int) -> Iterator[bytes]:
    """The lines of the child, which is killed where none comes for long."""
    held = b""
    descriptor = lines.fileno()  # type: ignore[attr-defined]
    while True:
        if not select.select([descriptor], [], [], HANGS_S)[0]:
            os.kill(child, signal.SIGKILL)
            return
        block = os.read(descriptor, 65536)
        if not block:
            return
        *whole, held = (held + block).split(b"\n")
        yield from whole


def _forked(cases: Sequence[Case], start: int, folder: Path) -> tuple[int, int]:
    """Start a process that reads the cases from ``start`` on; where it says what it does, and its number."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: the threads of torch do not come along
        child = os.fork()
    if child:
        os.close(writer)
        return reader, child
    code = 1
    try:
        os.close(reader)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):  # decoders in C complain of the inputs
            os.dup2(nowhere, descriptor)
        limit_process()
        for number in range(start, len(cases)):
            _say(writer, case=number)
            failure = failure_of(cases[number][1], folder)
            if failure:
                _say(writer, case=number, failure=failure)
        code = 0
    finally:
        os._exit(code)


def limit_process() -> None:
    """Limit the memory of this process from now on, and make the clocks of ``failure_of`` end what they time."""
    faulthandler.disable()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGVTALRM, _out_of_time)
    signal.signal(signal.SIGALRM, _out_of_time)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _out_of_time(number: int, frame: object) -> None:
    raise TookTooLong


def _say(writer: int, **facts: object) -> None:
    os.write(writer, json.dumps(facts).encode() + b"\n")


def failure_of(read: Callable[[Path], object], place: Path) -> str:
    """Return what came out of reading a case that should not have, or ""."""
    folder = Path(tempfile.mkdtemp(dir=place))
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)
    signal.setitimer(signal.ITIMER_REAL, WAITS_S)
    try:
        read(folder)
    except CapasError as error:
        try:
            _ = str(error), json.dumps(error.as_json())
        except Exception as second:  # the text of an error must be such that it can be shown
            return f"{error.key} cannot be told: {second!r}"
    except (Exception, TookTooLong) as error:
        return _described(error)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        shutil.rmtree(folder, ignore_errors=True)
    return ""


def _described(error: BaseException) -> str:
    """The exception and the last line of Capas that it came through."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "/capas/" in frame.filename]
    where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno} {ours[-1].name}" if ours else "outside of Capas"
    return f"{type(error).__name__} in {where}: {str(error)[:150]}"


def fewer(found: Sequence[Finding]) -> list[Finding]:
    """A few of each format and kind of failure."""
    kept, seen = list[Finding](), dict[tuple[str, str], int]()
    for one in found:
        kind = one.case.split(" #")[0], one.failure.split(":")[0]
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= _MAX_FINDINGS:
            kept.append(one)
    return kept


# What is known to fail, until it is mended: the beginning of the case, and of the failure. A line here is a debt.
KNOWN: Final[tuple[tuple[str, str], ...]] = (
    ("sparse for webp", "MemoryError in io.py"),
    ("sparse for weights", "MemoryError in files.py"),  # of a model they may be so many
    ("sparse for checkpoint", "MemoryError in checkpoint.py"),
)  # fmt: skip


def known_failure(found: Finding) -> bool:
    """Return whether a finding is one of ``KNOWN``."""
    return any(found.case.startswith(case) and found.failure.startswith(failure) for case, failure in KNOWN)
