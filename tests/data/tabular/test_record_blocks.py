"""The records of a file are those of the csv module, however the file is cut into blocks."""

import csv
import io
import random

import pytest

from capas.data.tabular.record_blocks import RecordBlocks, first_swallowing


def by_csv(text: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    """The whole records behind the header, and the lines of the others."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    records = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    width = len(records[0][1]) if records else 0
    whole = [row for _, row in records[1:] if len(row) == width]
    return whole, [line for line, row in records[1:] if len(row) != width]


def by_blocks(text: str, delimiter: str) -> tuple[list[list[str]], list[int]]:
    reader = RecordBlocks(io.StringIO(text, newline=""), delimiter)
    rows, ragged = list[list[str]](), list[int]()
    for block in reader.read():
        assert block.count == len(block.columns[0] if block.columns else ())
        rows += [list(row) for row in zip(*block.columns, strict=True)]
        ragged += block.ragged
    assert not reader.swallowed and reader.line_num == len(list(io.StringIO(text, newline="")))
    return rows, ragged


@pytest.mark.parametrize("size", [1, 7, 40, 2**17])
def test_blocks_of_any_size_hold_the_records_of_the_csv_module(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capas.data.tabular.record_blocks._BLOCK_CHARACTERS", size)
    rng = random.Random(size)
    pieces = ["a", "7", " ", "", "ñ", '"x,y"', '"two\nlines"', '"he said ""no"""', 'mid"dle', "\u2028"]
    for _ in range(60):
        odd, end, delimiter = rng.random() < 0.6, rng.choice(["\n", "\r\n", "\r"]), rng.choice(",;\t")
        lines = ["a,b,c".replace(",", delimiter)]
        for _ in range(rng.randrange(12)):
            cells = [rng.choice(pieces if odd else pieces[:5]) for _ in range(3 if rng.random() < 0.9 else 2)]
            lines.append("" if rng.random() < 0.1 else delimiter.join(cells))
        text = end.join(lines) + rng.choice(["", end])
        assert by_blocks(text, delimiter) == by_csv(text, delimiter), text


def test_lines_that_only_add_up_are_ragged(monkeypatch: pytest.MonkeyPatch) -> None:
    """One cell too few in a line and one too many in the next: as many as there should be."""
    monkeypatch.setattr("capas.data.tabular.record_blocks._BLOCK_CHARACTERS", 20)  # the header, then all others
    header = "a name of thirty characters,b\n"
    assert by_blocks(f"{header}1,2\n3\n4,5,6\n7,8\n", ",") == ([["1", "2"], ["7", "8"]], [3, 4])
    assert by_blocks(f"{header}1,2\n3,4\n5,6", ",") == ([["1", "2"], ["3", "4"], ["5", "6"]], [])


def test_a_quote_that_takes_in_rows_ends_the_reading() -> None:
    text = 'a,b\n1,2\n3,"4\n5,6\n7,8\n9,0\n1,1\n'
    reader = RecordBlocks(io.StringIO(text, newline=""), ",")
    rows = [row for block in reader.read() for row in zip(*block.columns, strict=True)]
    assert reader.header == ["a", "b"] and rows == [("1", "2")] and reader.swallowed
    records = [(2, ["1", "2"]), (7, ["3", "4\n5,6\n7,8\n9,0\n1,1\n"])]
    assert first_swallowing(records, ",", 2) == 1 and first_swallowing(records[:1], ",", 2) is None
