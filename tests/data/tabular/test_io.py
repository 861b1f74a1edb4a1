"""Tables as people really save them: delimiters, encodings, decimals, ragged rows."""

import builtins
import json
import sys
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.data.tabular import io
from capas.data.tabular.columns import BLOCK_ROWS, Cell, Table
from capas.data.tabular.io import decode_text, detect_delimiter, is_table_file, likely_encoding, read_table
from capas.data.tabular.type_inference import parse_column


def refused(path: Path) -> CapasError:
    with pytest.raises(CapasError) as caught:
        read_table(path)
    assert "{" not in str(caught.value)
    return caught.value


def cells(table: Table) -> dict[str, list[Cell]]:
    return {name: list(column) for name, column in table.columns.items()}


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_marks_and_line_ends(tmp_path: Path, delimiter: str, bom: str, end: str) -> None:
    rows = [["name", "size"], ["a, b; c", "1.5"], ["ñ\nd", "2"], [], ["", "-3e2"]]
    text = end.join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    table = read_table(write(tmp_path / "t.csv", bom + text))
    assert cells(table) == {"name": ["a, b; c", "ñ\nd", None], "size": [1.5, 2.0, -300.0]}


def test_semicolons_with_comma_decimals() -> None:
    assert detect_delimiter("x;y\n1,5;a\n2,5;b\n") == ";"
    assert list(parse_column(["1,5", "2", "", "-3,25"])) == [1.5, 2.0, None, -3.25]


@pytest.mark.parametrize(
    "texts",
    [
        ["1,5", "2 m"],
        ["1,234", "5,678"],
        ["007", "8"],
        ["1_000", "2"],
        ["0x1f"],
        ["inf"],
        [str(2**53 + 1)],
        ["٣"],
    ],
)
def test_what_stays_text(texts: list[str]) -> None:
    assert list(parse_column(texts)) == texts


def test_missing_numbers_but_not_missing_words() -> None:
    assert list(parse_column(["1", "NA", "nan", ""])) == [1.0, None, None, None]
    assert list(parse_column(["NA", "ES", ""])) == ["NA", "ES", None]


def test_ragged_rows_are_counted_with_their_line(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv", "a,b\n1,x\n2\n3,y\n4,z,z\n"))
    assert table.rows == 2
    (problem,) = table.problems
    assert (problem.kind, problem.examples) == ("ragged_rows", ("t.csv:3", "t.csv:5"))


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("", "table_empty"),
        ("a,b\n", "table_empty"),
        ("1,2\n3,4\n", "table_no_header"),
        ("a.png,cat\nb.png,dog\n", "table_no_header"),
        ("a,a\n1,2\n", "table_header"),
        ("a,\n1,2\n", "table_header"),
        ("a,b\n1\n2\n3,4\n", "table_ragged"),
        ("a,b\n1,\0\n", "table_broken"),
    ],
)
def test_refusals(tmp_path: Path, content: str | bytes, key: str) -> None:
    assert refused(write(tmp_path / "t.csv", content)).key == key


def test_the_likely_encoding_is_proposed(tmp_path: Path) -> None:
    text = "archivo,etiqueta\na.png,cañón\nb.png,árbol muy añejo\nc.png,corazón\n"
    error = refused(write(tmp_path / "t.csv", text.encode("mac_roman")))
    assert error.key == "table_encoding"
    assert "iconv -f MACINTOSH" in str(error)
    assert error.where.endswith("t.csv:2")
    assert likely_encoding(text.encode("mac_roman")) == "MACINTOSH"


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_the_unicode_text_of_a_spreadsheet_program_is_read(tmp_path: Path, codec: str) -> None:
    path = write(tmp_path / "t.txt", ("\ufeff" + "año\tetiqueta\r\n1,5\tcañón\r\n2,25\t日\r\n").encode(codec))
    table = read_table(path)
    assert is_table_file(path) and cells(table) == {"año": [1.5, 2.25], "etiqueta": ["cañón", "日"]}
    assert decode_text(path, path.read_bytes()).startswith("año")
    assert not is_table_file(write(tmp_path / "prose.txt", "One line.\nAnother.\n"))
    assert refused(write(tmp_path / "cut.csv", "a,b\n1,2".encode("utf-16")[:-1])).key == "table_encoding"


def test_jsonl(tmp_path: Path) -> None:
    lines = '{"a": 1, "b": "x\u2028y", "c": true, "d": [1]}\n\n{"a": 2.5, "b": null}\n'
    lines += 'not json\n{"a": NaN, "e": 1}\n'
    table = read_table(write(tmp_path / "t.jsonl", lines))
    assert cells(table) == {
        "a": [1.0, 2.5, None],
        "b": ["x\u2028y", None, None],
        "c": ["true", None, None],
        "e": [None, None, 1.0],
    }
    assert {problem.kind: problem.examples for problem in table.problems} == {
        "ragged_rows": ("t.jsonl:4",),
        "column_left_out": ("d",),
    }
    assert refused(write(tmp_path / "bad.jsonl", "[1]\n2\n")).key == "table_broken"


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"n": [1, None], "t": ["x", "ñ"], "f": [0.5, float("nan")], "blob": [b"1", b"2"]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert cells(table) == {"n": [1.0, None], "t": ["x", "ñ"], "f": [0.5, None]}
    assert refused(write(tmp_path / "bad.parquet", "no parquet")).key == "table_broken"
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    error = refused(tmp_path / "t.parquet")
    assert error.key == "extra_missing"
    assert "capas[tables]" in str(error)


def test_reading_text_tables_does_not_import_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert read_table(write(tmp_path / "t.csv", "a,b\n1,2\n")).rows == 1


def test_rows_beyond_a_block_are_those_of_the_file(tmp_path: Path) -> None:
    """Line ends inside quotes, blank and ragged rows, and more characters than the text layer decodes at a time."""
    count = 2 * BLOCK_ROWS + 5
    rows = [f'{i},"n{i % 7}\r\nñ",{i}.5' for i in range(count)]
    rows[BLOCK_ROWS] += ",one too many"
    rows.insert(7, " , ,")
    table = read_table(write(tmp_path / "t.csv", "\r\n".join(["row,name,half", *rows])))
    kept = [i for i in range(count) if i != BLOCK_ROWS]
    assert cells(table) == {
        "row": [float(i) for i in kept],
        "name": [f"n{i % 7}\r\nñ" for i in kept],
        "half": [i + 0.5 for i in kept],
    }
    # Two lines a row, the header and the blank row before it.
    assert [problem.examples for problem in table.problems] == [(f"t.csv:{2 * (BLOCK_ROWS + 1) + 2}",)]


def test_the_last_line_is_told_right_where_a_quote_is_never_closed(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv", 'a,b\n1,2\n3,4\n"x\n'))
    assert (table.rows, table.problems[0].examples) == (2, ("t.csv:4",))


def test_json_numbers_that_turn_out_to_be_texts_are_as_they_were(tmp_path: Path) -> None:
    lines = ['{"a": 1}', '{"a": 1.0}', '{"a": -0.0}', '{"a": null}', *["{}"] * BLOCK_ROWS, '{"a": "x", "late": 2}']
    held = cells(read_table(write(tmp_path / "t.jsonl", "\n".join(lines))))
    assert held["a"] == ["1", "1.0", "-0.0", None, *[None] * BLOCK_ROWS, "x"]
    assert held["late"] == [*[None] * (BLOCK_ROWS + 4), 2.0]


@pytest.mark.parametrize("value", [2**53, 10**400, float("inf"), True])
def test_json_values_that_are_no_exact_numbers_make_texts(tmp_path: Path, value: object) -> None:
    table = read_table(write(tmp_path / "t.jsonl", f'{{"a": 1}}\n{{"a": {json.dumps(value)}}}\n'))
    assert cells(table) == {"a": ["1", str(value).lower()]}


def test_what_is_too_large_or_not_there_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "t.csv", "a,b\n1,2\n")
    monkeypatch.setattr(io, "MAX_BYTES", 7)
    assert refused(path).key == "table_too_large"
    assert refused(tmp_path / "none.csv").key == "unreadable"


@pytest.mark.parametrize("content", ["a,b\n1,\0\n", b"a\n\x81\n", b"1,2\n3,\x81\n"])
def test_encoding_is_judged_before_the_rows_are(tmp_path: Path, content: str | bytes) -> None:
    held = content.encode() if isinstance(content, str) else content
    key = "table_broken" if b"\0" in held else "table_encoding"
    assert refused(write(tmp_path / "t.csv", held + b'1,"' + b"x" * 200_000)).key == key


def test_units_are_read_of_the_different_cells_and_missing_ones_stay_so(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv", 'a;b\n"3,5 €";1\n;2\n10 €;3\n"3,5 €";4\n'))
    assert cells(table)["a"] == [3.5, None, 10.0, 3.5] and table.units == {"a": "€"}


def test_a_cell_may_be_longer_than_the_csv_modules_limit(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv", "text,label\n" + "word " * 40_000 + ",a\nshort,b\n"))
    assert len(str(cells(table)["text"][0])) == 199_999


def test_windows_1252_is_read_with_a_note(tmp_path: Path) -> None:
    text = "archivo,etiqueta\na,cañón €\nb,árbol\n"
    for name, data in (("t.csv", text.encode("cp1252")), ("t.jsonl", '{"etiqueta": "cañón €"}\n'.encode("cp1252"))):
        table = read_table(write(tmp_path / name, data))
        assert cells(table)["etiqueta"][0] == "cañón €"
        assert [(problem.kind, problem.severity) for problem in table.problems] == [("legacy_encoding", "note")]
    # UTF-8 with a broken byte is no Windows-1252: read so, its letters would be wrong.
    error = refused(write(tmp_path / "t.csv", text.encode() + b"c,\xf1\n"))
    assert error.key == "table_encoding" and likely_encoding(text.encode("cp1252")) == "WINDOWS-1252"


@pytest.mark.parametrize(
    ("content", "headless"),
    [
        ("5.1,3.5,yes\n4.9,3.0,no\n4.7,3.2,yes\n", True),
        ("39,State-gov,77516\n50,Private,83311\n38,Private,215646\n", True),
        ("good film,pos\nbad film,neg\nfine film,pos\n", True),
        ("3,cat\n5,cat\n7,dog\n", True),
        ("country,2019,2020\na,1.5,2\nb,2,3\n", False),
        ("0,1,2,label\n7,8,9,x\n1,2,3,y\n", False),
        ("x1,x2\n1,2\n3,4\n", False),
        ("word,answer\na,yes\nb,no\n", False),
    ],
)
def test_a_file_without_a_header_is_refused(tmp_path: Path, content: str, headless: bool) -> None:
    path = write(tmp_path / "t.csv", content)
    if headless:
        assert refused(path).key == "table_no_header"
    else:
        assert read_table(path).rows == 2
