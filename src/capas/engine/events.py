"""What happens in a run, in order: the command line, the log file and the studio all read the same events.

``events.jsonl`` is append-only: after a kill, a ``resumed`` line says from which step the lines before it are void.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import ClassVar

from pydantic import TypeAdapter, ValidationError

from capas.core.errors import CapasError
from capas.core.files import read_regular, write_error
from capas.core.parsing import parse_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """Training begins at ``step`` (0, or where it had stopped) and will take ``total_steps``."""

    kind: ClassVar[str] = "started"
    step: int
    total_steps: int
    epochs: float
    batch_size: int
    examples: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Resumed:
    """The run goes on after ``step``; lines of later steps before this one are void."""

    kind: ClassVar[str] = "resumed"
    step: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Stepped:
    """Training has come to ``step``.

    Attributes:
        step: Steps done.
        total_steps: Steps at the end, as planned now.
        loss: Mean of the first phase's loss since the last such event.
        losses: The same for every loss of every phase that was due, by name.
        learning_rate: Of the last step.
        examples_per_s: Throughput since the last such event.
        seconds: Seconds of training.
        seconds_left: Seconds to the end, as estimated now.
    """

    kind: ClassVar[str] = "stepped"
    step: int
    total_steps: int
    loss: float
    losses: Mapping[str, float]
    learning_rate: float
    examples_per_s: float
    seconds: float
    seconds_left: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluated:
    """The validation split after ``step``: ``value`` of ``metric`` (higher is better) over ``n`` examples."""

    kind: ClassVar[str] = "evaluated"
    step: int
    metric: str
    value: float
    loss: float
    n: int
    best: bool
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled:
    """``count`` samples made with the weights of ``step`` lie in the picture ``path``, below the run's ``samples``."""

    kind: ClassVar[str] = "sampled"
    step: int
    path: str
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """A checkpoint of ``step`` lies at ``path``, from which the run can go on."""

    kind: ClassVar[str] = "saved"
    step: int
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Stopped:
    """The user stopped the run after ``step``; it is saved."""

    kind: ClassVar[str] = "stopped"
    step: int
    total_steps: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """The run cannot go on: ``key`` names the error, ``message`` says it."""

    kind: ClassVar[str] = "failed"
    step: int
    key: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """All corrections are done, or early stopping ended them (``early``)."""

    kind: ClassVar[str] = "finished"
    step: int
    seconds: float
    early: bool


Event = Started | Resumed | Stepped | Evaluated | Sampled | Saved | Stopped | Failed | Finished
EVENT_KINDS: dict[str, type[Event]] = {
    kind.kind: kind for kind in (Started, Resumed, Stepped, Evaluated, Sampled, Saved, Stopped, Failed, Finished)
}


def append_event(path: Path, event: Event) -> None:
    """Add ``event`` as one line. Raises CapasError ``disk_full`` or ``cannot_write``."""
    line = json.dumps({"event": event.kind, **asdict(event)}, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    try:
        with open(path, "ab+", buffering=0) as stream:
            # What a kill cut short must not swallow this line: it ends here, and is left out when read.
            if stream.seek(0, os.SEEK_END) and os.pread(stream.fileno(), 1, stream.tell() - 1) != b"\n":
                line = b"\n" + line
            while line:
                line = line[stream.write(line) :]
    except OSError as error:
        raise write_error(path, error) from error


def read_events(path: Path) -> Iterator[Event]:
    """The events of a run without the void ones; a line cut short by a kill is left out.

    Raises CapasError ``run_damaged`` or ``events_unknown``.
    """
    try:
        content = read_regular(path).decode("utf-8", "replace")
    except OSError as error:
        raise CapasError("run_damaged", where=path, received=error.strerror or str(error)) from error
    events: list[Event] = []
    for line in content.split("\n"):
        try:
            values = parse_json(line)
        except ValueError:
            continue
        kind = EVENT_KINDS.get(str(values.pop("event", ""))) if isinstance(values, dict) else None
        if kind is None or not isinstance(values, dict) or set(values) != {f.name for f in fields(kind)}:
            raise CapasError("events_unknown", where=path, received=line[:80])
        try:
            event: Event = TypeAdapter(kind).validate_python(values)
        except ValidationError as error:
            raise CapasError("events_unknown", where=path, received=line[:80]) from error
        if isinstance(event, Resumed):
            events = [earlier for earlier in events if earlier.step <= event.step]
        events.append(event)
    yield from events
