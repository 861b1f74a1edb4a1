"""What the hostile files found, each with a test of its own."""

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from capas.archive.library.database import FILE, Library
from capas.core.errors import CapasError
from capas.engine.checkpoint import newest_checkpoint
from capas.engine.events import read_events
from capas.evaluation.challenge.challenge import Challenge
from capas.evaluation.speech.alternatives import parse_alternatives
from capas.keyword_index.sharded_store import SHARD_LIST_FILE, ShardedSpots
from capas.keyword_index.sqlite_store import SqliteSpots
from capas.leaderboard.exchange import read_entries
from capas.page_formats.hocr import read_hocr
from tests.faults import subjects


def key_of(work: Callable[[], object]) -> str:
    with pytest.raises(CapasError) as caught:
        work()
    return caught.value.key


def change(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("UPDATE pages SET width = ?", "wide"),
        ("UPDATE pages SET label = CAST(? AS TEXT)", b"\xcf\xff"),
        ("UPDATE lines SET geometry = ?", '{"baseline":[[1,2'),
        ("UPDATE lines SET geometry = ?", '{"baseline":[]}'),
        ("UPDATE lines SET confidence = ?", "sure"),
        ("UPDATE posteriors SET content = ?", "text"),
        ("UPDATE posteriors SET content = ?", b"short"),
    ],
)
def test_an_archive_with_something_else_in_a_column(tmp_path: Path, statement: str, value: object) -> None:
    subjects.make_read_archive(tmp_path)
    change(tmp_path / "archive" / FILE, statement, value)

    def read() -> None:
        library = Library.open(tmp_path / "archive")
        for page in library.pages():
            library.lines(page.id)
        subjects.reindex_with(tmp_path, "file", 0.2)

    assert key_of(read) == "archive_unreadable"


@pytest.mark.parametrize("statement", ["DELETE FROM meta", "UPDATE meta SET value = 'x' WHERE name = 'least'"])
def test_an_index_without_its_origin(tmp_path: Path, statement: str) -> None:
    subjects.add_spots(tmp_path, "1", "a")
    change(tmp_path / "spots.sqlite", statement)
    assert key_of(lambda: SqliteSpots(tmp_path / "spots.sqlite")) == "spots_unreadable"


@pytest.mark.parametrize("name", ["../spots.sqlite", "a" * 300, "/etc/passwd", ""])
def test_a_shard_is_a_file_of_our_own_beside_the_list(tmp_path: Path, name: str) -> None:
    listed = {"origin": {"least": 0.01, "temperature": 1.0, "model": "f"}, "shards": {"a": name}}
    (tmp_path / SHARD_LIST_FILE).write_text(json.dumps(listed))
    assert key_of(lambda: ShardedSpots(tmp_path, lambda pages: {})) == "spots_unreadable"


@pytest.mark.parametrize(
    ("column", "value"), [("received", "yesterday"), ("received", "2030-13-01"), ("value", "good")]
)
def test_submissions_with_something_else_in_a_column(tmp_path: Path, column: str, value: object) -> None:
    subjects.references_and_challenge(tmp_path)
    subjects.submit(tmp_path)
    change(tmp_path / "c/private/submissions.sqlite", f"UPDATE submissions SET {column} = ?", value)
    assert key_of(Challenge(tmp_path / "c").submissions.all) == "challenge_broken"


def test_events_of_other_types_and_events_that_are_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"event": "resumed", "step": []}\n')
    assert key_of(lambda: list(read_events(path))) == "events_unknown"
    path.write_text('{"event": "resumed", "step": 3}\n' + "[" * 100_000)
    assert [event.step for event in read_events(path)] == [3]
    path.unlink()
    os.mkfifo(path)
    assert key_of(lambda: list(read_events(path))) == "run_damaged"


def test_a_checkpoint_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "step-00000001.safetensors")
    assert key_of(lambda: newest_checkpoint(tmp_path)) == "checkpoints_damaged"


def test_a_board_with_the_line_ends_of_an_old_mac(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"task,metric\rclassify,accuracy\r\x00")
    assert key_of(lambda: read_entries(tmp_path / "b.csv")) == "board_import"


def test_braces_in_braces_without_end() -> None:
    assert key_of(lambda: parse_alternatives("{ a / " * 5000 + "}" * 5000, "a.stm:1")) == "score_braces"
    assert parse_alternatives("{ a / { b / c } } d", "a.stm:1") == ((("a",), ("b",), ("c",)), (("d",),))


def test_an_hocr_file_of_elements_that_are_never_closed(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<html>" + "<i>x" * 50_000)  # each text looked through all: minutes
    assert key_of(lambda: read_hocr(tmp_path / "a.html")) == "xml_broken"
