"""The board: only what may be compared is ranked, and nothing is lost between file formats or processes."""

import json
import multiprocessing
import sqlite3
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.leaderboard.entry import Entry
from capas.leaderboard.exchange import board_page, read_entries, write_entries
from capas.leaderboard.ranking import group_contests, rank_entries
from capas.leaderboard.store import Board
from tests.html_pages import HOSTILE, assert_inert


def entry(**changes: object) -> Entry:
    values: dict[str, object] = {
        "task": "classify", "medium": "image", "data": "digits", "data_hash": "aa", "split": "test",
        "protocol": "once", "metric": "accuracy", "value": 0.9, "low": 0.88, "high": 0.92, "n": 1000,
        "model": "mine", "network": "compact", "weights_hash": "w1", "parameters": 1000, "seed": 1, "seconds": 2.5,
        "created": "2026-01-01T00:00:00+00:00", "capas": "0.1.0",
    }  # fmt: skip
    return Entry.model_validate(values | changes)


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "deep" / "board.sqlite")


def test_only_the_same_data_split_figure_and_protocol_are_ranked_together() -> None:
    same = [entry(), entry(weights_hash="w2", value=0.95)]
    others = [entry(data_hash="bb"), entry(split="all"), entry(metric="macro_f1"), entry(protocol="other")]
    found = group_contests(same + others)
    assert [len(contest.lines) for contest in found] == [2, 1, 1, 1, 1]
    assert [line.entry.weights_hash for line in found[0].lines] == ["w2", "w1"]
    with pytest.raises(ValueError, match="several contests"):
        rank_entries([same[0], others[0]])


def test_less_is_better_where_it_is_and_equals_share_a_rank() -> None:
    lines = rank_entries(
        [entry(metric="mae", value=v, weights_hash=str(v), low=None, high=None) for v in (3.0, 1.0, 2.0)]
    )
    assert [line.entry.value for line in lines] == [1.0, 2.0, 3.0]
    several = rank_entries([entry(metric="mae_height", value=v, weights_hash=str(v)) for v in (3.0, 1.0)])
    assert [line.entry.value for line in several] == [1.0, 3.0]
    equal = rank_entries([entry(value=v, weights_hash=w) for v, w in ((0.8, "a"), (0.9, "b"), (0.9, "c"))])
    assert [line.rank for line in equal] == [1, 1, 3]


def test_overlapping_intervals_are_told() -> None:
    near, far = (
        entry(value=0.89, low=0.87, high=0.91, weights_hash="n"),
        entry(value=0.5, low=0.4, high=0.6, weights_hash="f"),
    )
    assert [line.as_good_as_best for line in rank_entries([entry(), near, far])] == [True, True, False]


def test_the_same_figure_of_the_same_model_is_one_line(board: Board) -> None:
    assert board.add([entry(), entry(metric="macro_f1")]) == 2
    assert board.add([entry(value=0.91)]) == 0
    assert sorted(e.value for e in board.entries()) == [0.9, 0.91]


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_files_bring_back_what_they_were_given(tmp_path: Path, suffix: str) -> None:
    given = [entry(data="ñandú, «x»\n"), entry(weights_hash="w2", low=None, high=None, unit="mpg", seed=None)]
    write_entries(tmp_path / f"out{suffix}", given)
    assert read_entries(tmp_path / f"out{suffix}") == given


def test_a_wrong_line_is_named_and_nothing_is_added(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    write_entries(path, [entry(), entry(weights_hash="w2")])
    rows = json.loads(path.read_text())
    del rows[1]["metric"]
    path.write_text(json.dumps(rows))
    with pytest.raises(CapasError) as error:
        read_entries(path)
    assert error.value.key == "board_import" and "metric" in str(error.value) and ", 2" in str(error.value)


def test_other_formats_and_files_are_refused(tmp_path: Path, board: Board) -> None:
    with pytest.raises(CapasError) as error:
        write_entries(tmp_path / "b.xls", [entry()])
    assert error.value.key == "board_format"
    board.path.parent.mkdir()
    board.path.write_text("this is no database" * 100)
    for attempt in (board.entries, lambda: board.add([entry()])):
        with pytest.raises(CapasError) as error:
            attempt()
        assert error.value.key == "board_unreadable"


def test_a_board_of_a_later_version_is_left_alone(board: Board) -> None:
    board.add([entry()])
    with sqlite3.connect(board.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(CapasError) as error:
        board.add([entry(weights_hash="w2")])
    assert error.value.key == "board_unreadable"


def _write_many(path: Path, start: int) -> None:
    for number in range(start, start + 20):
        Board(path).add([entry(weights_hash=f"w{number}")])


def test_two_processes_lose_nothing(board: Board) -> None:
    context = multiprocessing.get_context("spawn")
    jobs = [context.Process(target=_write_many, args=(board.path, start)) for start in (0, 20)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert len(board.entries()) == 40


def test_removing_takes_only_what_is_named(board: Board) -> None:
    board.add([entry(), entry(weights_hash="w2")])
    assert board.remove([entry().id]) == 1
    assert [e.weights_hash for e in board.entries()] == ["w2"]
    assert board.remove(["nothing"]) == 0


def test_the_page_says_what_was_compared_and_escapes_names() -> None:
    page = board_page(
        group_contests(
            [entry(model="<script>alert(1)</script>"), entry(weights_hash="w2", value=0.5, low=0.4, high=0.6)]
        )
    )
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert page.index("90.0 %") < page.index("50.0 %")


def test_a_name_on_the_page_is_text_whatever_it_holds() -> None:
    odd = entry(model=HOSTILE, data=HOSTILE, network=HOSTILE, split=HOSTILE, extra_training_data=HOSTILE)
    # Data stand in the headline and in the line below it.
    assert_inert(board_page(group_contests([odd])), texts=5)
