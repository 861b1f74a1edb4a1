"""Tables as inputs: each row an input, its text, or the file that it names."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from capas.bundle.card import Card, FieldCard
from capas.core.errors import CapasError
from capas.engine.recipe import Item
from capas.engine.recipes.shared.table_items import PredictorInputs
from tests.data.drawing import save
from tests.data.tabular.workbooks import write_workbook


def words_as_items(words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
    yield from (Item(name=word, content=word) for word in words)


def inputs(medium: str, sheet: str | None = None) -> PredictorInputs:
    learnt = FieldCard.model_construct(name="Text", kind="image" if medium == "image" else "text", unit="")
    wanted = FieldCard.model_construct(name="who", kind="category", unit="")
    card = Card.model_construct(medium=medium, inputs=[learnt], targets=[wanted], task="classify", classes=("a", "b"))
    return PredictorInputs(card=card, read_items=words_as_items, sheet=sheet)


def test_rows_of_a_sheet_with_the_rows_that_they_come_from(tmp_path: Path) -> None:
    book = {"one": [["a", "b"], [1, "x"], [2, "y"]], "two": [["a", "b"], [3, "z"]]}
    path = str(write_workbook(tmp_path / "t.xlsx", book))
    read = inputs("table", "two")
    assert [item.content for item in read.items([path, "a=1"], [])] == [{"a": 3.0, "b": "z"}, "a=1"]
    assert read.origins == [(read.tables[0], 0), None]
    (tmp_path / "t.csv").write_text("a,b\n1,x\n5\n2,y\n")
    read = inputs("table")
    assert [item.name for item in read.items([str(tmp_path / "t.csv")], [])] == ["t.csv#1", "t.csv#2"]
    assert [origin and origin[1] for origin in read.origins] == [0, 2]
    with pytest.raises(CapasError) as caught:
        list(inputs("table", "two").items([str(tmp_path / "t.csv")], []))
    assert caught.value.key == "sheet_without_workbook"


def test_texts_are_those_of_the_column_that_was_learnt_from(tmp_path: Path) -> None:
    path = str(write_workbook(tmp_path / "t.xlsx", {"s": [["id", "text"], [1, "good"], [2, None], [3, 12]]}))
    assert [item.content for item in inputs("text").items([path], [])] == ["good", "", "12"]
    (tmp_path / "prose.txt").write_text("a\tb\nc\td\n")
    prose = str(tmp_path / "prose.txt")
    assert [item.content for item in inputs("text").items([prose], [])] == [prose]
    other = str(write_workbook(tmp_path / "o.xlsx", {"s": [["id", "title"], [1, "good"], [2, "bad"]]}))
    with pytest.raises(CapasError) as caught:
        list(inputs("text").items([other], []))
    assert caught.value.key == "no_such_column"


def test_files_are_found_beside_the_table(tmp_path: Path) -> None:
    for i in range(2):
        save(tmp_path / "images" / f"{i}.png", i)
    rows = [["photo", "who"], ["0.png", "a"], ["1.png", "b"], ["none.png", "c"]]
    path = str(write_workbook(tmp_path / "t.xlsx", {"s": rows}))
    found = [(item.name, item.content) for item in inputs("image").items([path], [])]
    images = tmp_path / "images"
    assert found == [
        ("0.png", images / "0.png"), ("1.png", images / "1.png"), ("none.png", tmp_path / "none.png"),
    ]  # fmt: skip
    with pytest.raises(CapasError) as caught:
        list(inputs("image").items([str(write_workbook(tmp_path / "o.xlsx", {"s": [["a", "b"], ["x", "y"]]}))], []))
    assert caught.value.key == "no_file_column"
