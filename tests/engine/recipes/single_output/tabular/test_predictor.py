"""Rows named on the command line or passed from Python."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from capas.core.errors import CapasError
from capas.data.tabular.preprocess import ColumnEncoding, TabularPreprocessing
from capas.engine.recipe import Item
from capas.engine.recipes.shared.forward import DataclassInputAdapter
from capas.engine.recipes.single_output.tabular.predictor import TabularReader
from tests.engine.recipes.made_work import rows_of, texts_of

PREPARATION = TabularPreprocessing(
    columns=(ColumnEncoding(name="x", kind="number", mean=(10.0,), std=(2.0,)),
             ColumnEncoding(name="c", kind="category", values=("u", "v")))
)  # fmt: skip


class Total(nn.Module):
    """The number and the place of the category of every row."""

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        return torch.cat([numbers.nan_to_num(0.0), categories.float()], dim=1)


def reader() -> TabularReader:
    return TabularReader(DataclassInputAdapter(Total()).eval(), PREPARATION)


def test_tables_rows_and_lines_are_named_so_that_they_can_be_found(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("x,c\n14,u\n,v\n")
    lines = [json.dumps({"x": 8, "c": "v"}) + "\n", "\n", json.dumps({"x": 9}) + "\n"]
    found = list(reader().items(["rows.csv", 'x=12, c = "u"', "-"], lines))
    assert [item.name for item in found] == ["rows.csv#1", "rows.csv#2", 'x=12, c = "u"', "#1", "#3"]
    encoded = [reader().preprocess(item) for item in found]
    numbers = [float(row.numbers[0, 0]) for row in encoded]
    assert numbers[0] == 2.0 and numbers[1] != numbers[1] and numbers[2:] == [1.0, -1.0, -0.5]
    assert [int(row.categories[0, 0]) for row in encoded][:2] == [1, 2]
    assert [int(row.categories[0, 0]) for row in encoded][3:] == [2, 0]


def test_a_cell_on_the_command_line_may_hold_a_comma() -> None:
    (item,) = reader().items(['"c=u, v",x=1'], [])
    assert item.content == {"c": "u, v", "x": "1"}


@pytest.mark.parametrize(
    ("word", "lines", "key", "where"),
    [("missing.csv", [], "no_such_table", "missing.csv"), ("rows", [], "no_such_table", "rows"),
     ("-", ["{}", "no json"], "not_a_row", "line 2")],
)  # fmt: skip
def test_what_is_no_row_is_refused(word: str, lines: list[str], key: str, where: str) -> None:
    with pytest.raises(CapasError) as error:
        list(reader().items([word], lines))
    assert (error.value.key, error.value.where) == (key, where)


@pytest.mark.parametrize(
    ("content", "key", "received"),
    [
        ([1, 2], "not_a_row", "list"),
        ({"y": 1, "z": 2}, "row_without_inputs", "y, z"),
        ({"x": "", "c": None}, "row_without_inputs", "x, c"),
        ({"x": "many"}, "cell_no_number", "many"),
    ],
)
def test_a_row_that_says_nothing_is_refused(content: object, key: str, received: str) -> None:
    with pytest.raises(CapasError) as error:
        reader().preprocess(reader().item(content, 4))
    assert (error.value.key, error.value.received) == (key, received)
    assert reader().item(content, 4) == Item(name="#5", content=content)


def test_rows_become_a_batch() -> None:
    rows = rows_of({"x": [14.0, 8.0], "c": ["v", "w"]})
    batch = reader().collate([reader().preprocess_example(rows, i) for i in (1, 0)])
    assert batch.numbers.tolist() == [[-1.0], [2.0]] and batch.categories.tolist() == [[0], [2]]
    with pytest.raises(AssertionError):
        reader().preprocess_example(texts_of(["a"]), 0)


def test_an_export_takes_encoded_rows() -> None:
    held = reader()
    rows = [held.preprocess(held.item({"x": 12, "c": "u"}, 0)), held.preprocess(held.item({"c": "v"}, 1))]
    found = held.exportable(rows)
    assert [(one.name, one.axes) for one in found.inputs] == [("numbers", ("batch", 1)), ("categories", ("batch", 1))]
    assert found.count == 2 and found.axes == ("batch",) and found.facts["preparation"] == PREPARATION.as_json()
    with torch.no_grad():
        assert found.network(*found.compared[0]).tolist() == [[1.0, 1.0], [0.0, 2.0]]
    made_up = held.exportable([])
    assert made_up.count == 16 and int(made_up.compared[0][1].max()) <= 2
