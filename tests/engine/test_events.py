"""The record of events: what is written reads back, what a kill cut is left out, what was lost is void."""

import errno
import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.engine.events import (
    EVENT_KINDS,
    Evaluated,
    Event,
    Failed,
    Finished,
    Resumed,
    Sampled,
    Saved,
    Started,
    Stepped,
    Stopped,
    append_event,
    read_events,
)

ALL: list[Event] = [
    Started(step=0, total_steps=9, epochs=1.5, batch_size=8, examples=50),
    Stepped(
        step=3,
        total_steps=9,
        loss=0.25,
        losses={"loss": 0.25, "penalty": 0.5},
        learning_rate=1e-05,
        examples_per_s=9.5,
        seconds=1.0,
        seconds_left=2.0,
    ),
    Evaluated(step=3, metric="accuracy", value=0.5, loss=1.25, n=10, best=True, seconds=1.5),
    Sampled(step=3, path="step-00000003.png", count=16),
    Saved(step=3, path="step-00000003.safetensors"),
    Failed(step=4, key="loss_not_finite", message="one\ntwo “ñ” \u2028 \x85 {x}\n"),
    Stopped(step=4, total_steps=9),
    Finished(step=9, seconds=3.0, early=False),
]


def written(path: Path, events: list[Event]) -> Path:
    for event in events:
        append_event(path, event)
    return path


def stepped(step: int) -> Stepped:
    return Stepped(
        step=step, total_steps=9, loss=0.0, losses={}, learning_rate=0.0, examples_per_s=0, seconds=0, seconds_left=0
    )


def test_every_kind_reads_back_and_is_one_line(tmp_path: Path) -> None:
    path = written(tmp_path / "events.jsonl", ALL)
    assert list(read_events(path)) == ALL
    assert {type(event) for event in ALL} | {Resumed} == set(EVENT_KINDS.values())
    lines = path.read_bytes().rstrip(b"\n").split(b"\n")
    assert [json.loads(line) for line in lines] == [{"event": event.kind, **asdict(event)} for event in ALL]


def test_lines_from_after_the_checkpoint_are_void(tmp_path: Path) -> None:
    events: list[Event] = [stepped(2), stepped(4), stepped(6), Resumed(step=4), stepped(5), Resumed(step=2), stepped(3)]
    path = written(tmp_path / "events.jsonl", events)
    assert list(read_events(path)) == [stepped(2), Resumed(step=2), stepped(3)]


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_a_line_cut_short_is_left_out_and_swallows_nothing(cut: int, tmp_path: Path) -> None:
    path = written(tmp_path / "events.jsonl", [stepped(2), stepped(4)])
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:cut])
    if cut > 0:
        assert list(read_events(path)) == [stepped(2)]
    append_event(path, Resumed(step=2))
    append_event(path, stepped(3))
    assert list(read_events(path)) == [stepped(2), Resumed(step=2), stepped(3)]


def test_a_cut_inside_a_letter_is_borne(tmp_path: Path) -> None:
    path = written(tmp_path / "events.jsonl", [stepped(2), ALL[5]])
    content = path.read_bytes()
    path.write_bytes(content[: content.index("ñ".encode()) + 1])
    assert list(read_events(path)) == [stepped(2)]


def test_what_is_no_event_is_named(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for line in ('{"event": "danced", "step": 1}', '{"event": "saved", "step": 1}', "[1]", "3", '{"step": 1}'):
        path.write_text(line + "\n")
        with pytest.raises(CapasError) as caught:
            list(read_events(path))
        assert caught.value.key == "events_unknown" and line[:20] in str(caught.value)


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with pytest.raises(CapasError) as caught:
        append_event(Path("/dev/full"), stepped(1))
    assert caught.value.key == "disk_full"
    with pytest.raises(CapasError) as caught:
        append_event(tmp_path / "missing" / "events.jsonl", stepped(1))
    assert caught.value.key == "cannot_write" and caught.value.received == os.strerror(errno.ENOENT)
