"""Bars are as long as their values, and cells of a confusion matrix as dark as their share of the row."""

from capas.trust.rendering.block_html import bar_rows, block_html, confusion_rows
from capas.trust.rendering.blocks import Bar, Bars, ConfusionTable, Folded, Sentence
from tests.html_pages import parsed


def test_bars_are_as_long_as_their_values() -> None:
    bars = Bars(title="t", largest=2.0, bars=[
        Bar(label="half", value=1.0, low=0.5, high=1.5, value_text="1.0"),
        Bar(label="none", value=-0.3, tone="problem"), Bar(label="over", value=3.0),
    ])  # fmt: skip
    rows = bar_rows(bars)
    assert [row.length for row in rows] == [50, 0, 100] and [row.tone for row in rows] == ["plain", "problem", "plain"]
    assert (rows[0].low, rows[0].interval) == (25, 50) and rows[1].interval < 0
    found = parsed(block_html(bars))
    assert (
        found.attributes.count(("style", "width:50.0%")) == 1
        and ("style", "left:25.0%;width:50.0%") in found.attributes
    )
    assert [one for one in found.texts if one.strip()] == ["t", "half", "1.0", "none", "over"]
    # All zero: nothing to divide by.
    assert bar_rows(Bars(title="", bars=[Bar(label="a", value=0)], largest=0))[0].length == 0


def test_cells_of_a_confusion_matrix_are_shares_of_their_rows() -> None:
    table = ConfusionTable(title="t", names=("a", "b", "c"), counts=((3, 1, 0), (0, 5, 0), (0, 0, 0)), corner="true")
    cells = confusion_rows(table)
    assert [[cell.share for cell in row] for row in cells] == [[75, 25, 0], [0, 100, 0], [0, 0, 0]]
    assert [cell.side for cell in cells[1]] == ["wrong", "right", "wrong"]
    # A zero is written on the diagonal only: off it, what catches the eye is what went wrong.
    shown = [text for text in parsed(block_html(table)).texts if text.strip().isdigit()]
    assert shown == ["3", "1", "5", "0"]
    assert 'class="confusion"' in block_html(table)
    long = ConfusionTable(title="t", names=("seven", "b"), counts=((1, 0), (0, 1)), corner="true")
    assert 'class="confusion long"' in block_html(long)


def test_what_is_folded_lies_inside() -> None:
    found = parsed(block_html(Folded(title="open me", blocks=[Sentence(text="inside")])))
    assert found.tags.count("details") == 1 and found.texts.index("open me") < found.texts.index("inside")
