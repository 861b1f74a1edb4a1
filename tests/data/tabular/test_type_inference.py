"""Columns typed block by block are what they are when all their cells are looked at together, one by one."""

import csv
import io
import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.data.tabular import io as tables
from capas.data.tabular import type_inference
from capas.data.tabular.columns import Cell
from capas.data.tabular.io import read_table
from capas.data.tabular.type_inference import parse_column

MISSING = {"", "na", "n/a", "nan", "null", "none"}
ODD = [
    "1", "2.5", "-3e2", "", "NA", "nan", "1,5", "1,234", "1,234,567", "-0,25", "007", "0", "-0", "0.5", "+.5", "5.",
    ".", "1e", "1_000", "inf", "0x1f", "  3", "\t4", "\u00a05", "true", "2024-05-31", "null", " n/a ", "None", "٣",
    "1e400", "9007199254740993", "9007199254740991", "-9007199254740992", "\u2028x", "a;b", " ", "∅", "x" * 70,
    "l\nm", "1\n", "00", "-01", "0,5", "00,5", "+-1", "e5", "1e+5", "--1",
]  # fmt: skip


def rule_by_rule(texts: Sequence[str]) -> list[Cell]:
    """The rules as they are written down: a cell at a time, with regular expressions."""
    cells = [text.strip() for text in texts]
    present = [cell for cell in cells if cell.casefold() not in MISSING]
    number = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
    comma, code = re.compile(r"[+-]?\d+(,\d+)?", re.ASCII), re.compile(r"[+-]?0\d", re.ASCII)
    plain = all(number.fullmatch(c) and not code.match(c) and abs(float(c)) < 2**53 for c in present)
    decimal = all(comma.fullmatch(c) and not code.match(c) for c in present) and not all(
        re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+", c, re.ASCII) for c in present if "," in c
    )
    if present and (plain or decimal):
        return [None if cell.casefold() in MISSING else float(cell.replace(",", ".")) for cell in cells]
    return [cell or None for cell in cells]


@pytest.mark.parametrize("block", [1, 3, 1024])
def test_odd_cells_become_what_the_rules_say(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type_inference, "BLOCK_ROWS", block)
    rng, numeric = random.Random(block), 0
    for _ in range(4000):
        pool = rng.sample(ODD, rng.randint(1, 4))
        texts = [rng.choice(pool) for _ in range(rng.randint(0, 9))]
        found = list(map(repr, parse_column(texts)))
        assert found == list(map(repr, rule_by_rule(texts))), texts
        numeric += any(cell[0].isdigit() for cell in found)
    assert numeric > 400


@pytest.mark.parametrize(
    "last", ["x", "007", "1_000", "1,5", "1,234", str(2**53), "NA", "nan", " 2 ", "two\nlines", ""]
)
@pytest.mark.parametrize("first", ["1", "1.5", "1,5", "1,234", "NA", ""])
def test_one_cell_at_the_end_decides_over_all_blocks_before_it(first: str, last: str) -> None:
    texts = [first] * (2 * type_inference.BLOCK_ROWS) + [last]
    assert list(map(repr, parse_column(texts))) == list(map(repr, rule_by_rule(texts)))


def test_files_are_read_as_the_csv_module_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotes, blank and ragged rows, and all line ends, over blocks of a few rows."""
    monkeypatch.setattr(tables, "BLOCK_ROWS", 3)
    monkeypatch.setattr("capas.data.tabular.record_blocks._BLOCK_CHARACTERS", 12)
    rng, path, read = random.Random(0), tmp_path / "t.csv", 0
    parts = ["a", "1", '"', '""', ",", ",", ",", "\n", "\n", "\r\n", "\r", " ", "ñ", '"x"', '"a,b"', '"l\nm"', "\n,\n"]
    for _ in range(1300):
        text = rng.choice(["", "\ufeff"]) + "h,k\n" + "".join(rng.choice(parts) for _ in range(rng.randint(4, 40)))
        path.write_bytes(text.encode())
        reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)][1:]
        whole = [row for _, row in rows if len(row) == 2]
        ragged = [f"t.csv:{line}" for line, row in rows if len(row) != 2]
        if not whole or len(ragged) > len(whole):
            with pytest.raises(CapasError) as caught:
                read_table(path)
            assert caught.value.key == ("table_ragged" if ragged else "table_empty")
            continue
        table = read_table(path)
        read += 1
        assert {name: list(column) for name, column in table.columns.items()} == {
            name: rule_by_rule(cells) for name, cells in zip("hk", zip(*whole, strict=True), strict=True)
        }
        assert [(p.count, p.examples) for p in table.problems] == ([(len(ragged), tuple(ragged[:5]))] if ragged else [])
    assert read > 300
