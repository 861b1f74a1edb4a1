"""Tables as people really save them: delimiters, encodings, decimals, ragged rows."""

import builtins
import sys
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.data.tabular.io import detect_delimiter, likely_encoding, parse_column, read_table


def refused(path: Path) -> CapasError:
    with pytest.raises(CapasError) as caught:
        read_table(path)
    assert "{" not in str(caught.value)
    return caught.value


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
    assert table.columns == {"name": ("a, b; c", "ñ\nd", None), "size": (1.5, 2.0, -300.0)}


def test_semicolons_with_comma_decimals() -> None:
    assert detect_delimiter("x;y\n1,5;a\n2,5;b\n") == ";"
    assert parse_column(["1,5", "2", "", "-3,25"]) == (1.5, 2.0, None, -3.25)


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
    assert parse_column(texts) == tuple(texts)


def test_missing_numbers_but_not_missing_words() -> None:
    assert parse_column(["1", "NA", "nan", ""]) == (1.0, None, None, None)
    assert parse_column(["NA", "ES", ""]) == ("NA", "ES", None)


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
        ("a,b\n1\n2\n3,4\n", "table_broken"),
        ("a,b\n1,\0\n", "table_broken"),
        (b'a,b\n1,"' + b"x" * 200_000 + b'"\n', "table_broken"),
    ],
)
def test_refusals(tmp_path: Path, content: str | bytes, key: str) -> None:
    assert refused(write(tmp_path / "t.csv", content)).key == key


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("cp1252", "WINDOWS-1252"),
        ("utf-16", "UTF-16"),
        ("mac_roman", "MACINTOSH"),
        ("latin-1", "WINDOWS-1252"),
    ],
)
def test_the_likely_encoding_is_proposed(tmp_path: Path, codec: str, name: str) -> None:
    text = "archivo,etiqueta\na.png,cañón\nb.png,árbol muy añejo\nc.png,corazón\n"
    error = refused(write(tmp_path / "t.csv", text.encode(codec)))
    assert error.key == "table_encoding"
    assert f"iconv -f {name}" in str(error)
    if codec != "utf-16":
        assert error.where.endswith("t.csv:2")
    assert likely_encoding(text.encode(codec)) == name


def test_jsonl(tmp_path: Path) -> None:
    lines = '{"a": 1, "b": "x\u2028y", "c": true, "d": [1]}\n\n{"a": 2.5, "b": null}\n'
    lines += 'not json\n{"a": NaN, "e": 1}\n'
    table = read_table(write(tmp_path / "t.jsonl", lines))
    assert table.columns == {
        "a": (1.0, 2.5, None),
        "b": ("x\u2028y", None, None),
        "c": ("true", None, None),
        "e": (None, None, 1.0),
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
    assert table.columns == {"n": (1.0, None), "t": ("x", "ñ"), "f": (0.5, None)}
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
