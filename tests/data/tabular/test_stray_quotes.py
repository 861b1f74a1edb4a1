"""Quotes that open a cell and never close lose no row; quotes that close keep their lines together."""

from pathlib import Path

import pytest

from capas.data.tabular.columns import Table
from capas.data.tabular.io import read_table


def read(path: Path, text: str) -> tuple[Table, list[tuple[str, tuple[str, ...]]]]:
    path.write_text(text, encoding="utf-8", newline="")
    table = read_table(path)
    return table, [(problem.kind, problem.examples) for problem in table.problems]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(("suffix", "delimiter"), [(".tsv", "\t"), (".csv", ",")])
def test_a_stray_quote_is_a_character(tmp_path: Path, suffix: str, delimiter: str, end: str) -> None:
    rows = [f"sentence {i}{delimiter}{'ab'[i % 2]}" for i in range(80)]
    rows[4] = f'"sentence 4{delimiter}a'
    table, problems = read(tmp_path / f"t{suffix}", end.join([f"text{delimiter}label", *rows]))
    assert table.rows == 80 and list(table.columns["text"])[4] == '"sentence 4'
    assert problems == [("stray_quote", (f"t{suffix}:6",))]


def test_a_second_quote_far_behind_does_not_close_the_first(tmp_path: Path) -> None:
    rows = [f"sentence {i}\t{'ab'[i % 2]}" for i in range(80)]
    rows[4], rows[60] = '"sentence 4\ta', '"quoted"\tb'
    table, _ = read(tmp_path / "t.tsv", "\n".join(["text\tlabel", *rows]))
    assert table.rows == 80 and list(table.columns["text"])[60] == "quoted"


def test_texts_of_many_lines_stay_whole_beside_a_stray_quote(tmp_path: Path) -> None:
    long = '"one\ntwo\nthree\nfour\nfive"'
    rows = [f"{long},a" if i % 9 == 0 else f"sentence {i},b" for i in range(40)]
    table, problems = read(tmp_path / "t.csv", "\n".join(["text,label", *rows]))
    assert table.rows == 40 and problems == []
    rows[20] = '"sentence 20,b'
    rows.insert(22, "sentence,b")
    table, problems = read(tmp_path / "t.csv", "\n".join(["text,label", *rows]))
    assert table.rows == 41 and list(table.columns["text"])[28] == "one\ntwo\nthree\nfour\nfive"
    assert [kind for kind, _ in problems] == ["stray_quote"]
