"""What strangers wrote does nothing where it is shown: no terminal, page, JSON or spreadsheet acts on it."""

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from capas.cli.show import InertConsole
from capas.core.html import render_html
from capas.core.inert_text import InertWriter, inert, inert_cell, inert_json, original_cell

ACTIVE = ["\x1b[31m", "\x07", "\x9b2J", "\x7f", "\r", "\u202e", "\u2066", "\u200f", "\ud800", "\x00"]


@pytest.mark.parametrize("text", ACTIVE)
def test_what_acts_is_written_out(text: str) -> None:
    shown = inert(f"a{text}b")
    assert text[0] not in shown and shown.startswith("a\\") and shown.endswith("b") and shown.encode()
    written = inert_json(json.dumps(f"a{text}b", ensure_ascii=False))
    assert text[0] not in written and json.loads(written) == f"a{text}b"


@pytest.mark.parametrize("text", ["año\n\t1", "日本語", "👩\u200d🔬", "né́"])
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert inert(text) == text and inert_json(json.dumps(text, ensure_ascii=False)) == json.dumps(
        text, ensure_ascii=False
    )


def printed(console: type[Console], text: str, *, styled: bool) -> str:
    stream = io.StringIO()
    color = "standard" if styled else None
    console(file=stream, force_terminal=styled, color_system=color, width=80, markup=False).print(text, style="red")
    return stream.getvalue()


@pytest.mark.parametrize("text", ACTIVE)
@pytest.mark.parametrize("styled", [False, True])
def test_a_terminal_gets_styles_and_nothing_else(text: str, styled: bool) -> None:
    shown = printed(InertConsole, f"a{text}b", styled=styled)
    # Rich itself drops a few, such as the bell.
    assert shown in [printed(Console, f"a{safe}b", styled=styled) for safe in (inert(text), text[1:])]
    assert ("\x1b" in shown) == styled


def test_a_page_gets_no_control_characters(tmp_path: Path) -> None:
    (tmp_path / "x.html").write_text("<p>{{ name }}</p>")
    assert render_html(tmp_path / "x.html", {"name": "<\x1b\u202e>"}) == "<p>&lt;\\x1b\\u202e&gt;</p>"


@pytest.mark.parametrize(
    "text",
    ["=1+1", "@SUM(A1)", "+cmd|'/C calc'!A0", "-cmd|'/C calc'!A0", " =1", "\t=1", "-A1", "'=1", "+(1)", "=", "''=a"],
)
def test_a_cell_that_a_spreadsheet_would_compute_is_disarmed_and_read_back(text: str) -> None:
    assert inert_cell(text) == f"'{text}" and original_cell(f"'{text}") == text


@pytest.mark.parametrize(
    "cell",
    ["-3.5", "+1e-7", "-1,5", "+34 600 123 456", "-", "- a\nb"[:1], "a=b", "'quoted'", "", "-inf", 3, None, -2.5],
)
def test_numbers_and_ordinary_cells_stay(cell: object) -> None:
    assert inert_cell(cell) == cell and (not isinstance(cell, str) or original_cell(cell) == cell)


def test_a_table_is_written_disarmed() -> None:
    stream = io.StringIO()
    InertWriter(stream, delimiter=";").writerows([["name", "p"], ["=1+1", -0.5]])
    assert list(csv.reader(io.StringIO(stream.getvalue()), delimiter=";")) == [["name", "p"], ["'=1+1", "-0.5"]]
