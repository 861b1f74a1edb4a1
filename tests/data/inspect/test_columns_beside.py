"""Which columns are learnt from beside files, and what they are called and hashed by."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from capas.data.collections import FilesWithColumns, TableRows
from capas.data.image.io import ImageArray
from capas.data.inspect.columns_beside import ColumnsBeside, choose_columns_beside
from capas.data.sources.source import DataSource
from capas.data.tabular.column_types import describe_column
from capas.data.tabular.columns import Cell, column_from_cells

N = 60
CLASSES = ["ill" if i % 2 else "well" for i in range(N)]
AGES = [20.5 + 0.7 * (i * 37 % 100) for i in range(N)]
PICTURES = ImageArray(np.zeros((N, 4, 4), np.uint8), "p")


def source_of(columns: Mapping[str, Sequence[Cell]], **changes: object) -> DataSource:
    held = {name: column_from_cells(list(cells)) for name, cells in columns.items()}
    settings: dict[str, object] = {
        "root": "made", "layout": "table", "files": PICTURES, "columns": held, "fixed_split": (None,) * N,
        "problems": (), "evidence": (),
    }  # fmt: skip
    return DataSource(**settings | changes)  # type: ignore[arg-type]


def chosen(
    columns: Mapping[str, Sequence[Cell]], target: str = "target", group: str | None = None, **changes: object
) -> ColumnsBeside:
    source = source_of(columns, **changes)
    described = {name: describe_column(name, cells) for name, cells in source.columns.items()}
    return choose_columns_beside(source, described, [target], group=group)


def used(columns: Mapping[str, Sequence[Cell]], group: str | None = None, **changes: object) -> list[str]:
    return [column.name for column in chosen(columns, group=group, **changes).used]


def test_numbers_dates_and_categories_are_used_and_what_says_nothing_is_not() -> None:
    columns: dict[str, Sequence[Cell]] = {
        "age": AGES,
        "sex": ["f" if i % 3 else "m" for i in range(N)],
        "taken": [f"2024-01-{1 + i % 27:02d}" for i in range(N)],
        "patient_id": [f"P{i // 4}" for i in range(N)],
        "remark": [f"seen in room {i}" for i in range(N)],
        "place": ["north"] * N,
        "empty": [None] * N,
        "number": [float(i) for i in range(N)],
        "target": CLASSES,
    }
    assert used(columns) == ["age", "sex", "taken"]
    assert used(columns, group="sex") == ["age", "taken"]
    assert used(columns, medium="text") == [] and used(columns, files=None, medium="table") == []


def test_a_column_that_gives_the_class_away_is_left_out_and_told_of() -> None:
    outcome: list[Cell] = ["died" if name == "ill" else "lived" for name in CLASSES]
    nearly: list[Cell] = ["died" if (name == "ill") != (i % 10 == 0) else "lived" for i, name in enumerate(CLASSES)]
    found = chosen({"age": AGES, "outcome": outcome, "nearly": nearly, "target": CLASSES})
    assert [column.name for column in found.used] == ["age", "nearly"] and found.giveaways == ("outcome",)


def test_a_number_that_is_the_target_in_another_unit_is_left_out() -> None:
    fahrenheit: list[Cell] = [32 + 1.8 * age if i else None for i, age in enumerate(AGES)]
    about: list[Cell] = [age + 10 * (i % 3) for i, age in enumerate(AGES)]
    found = chosen({"fahrenheit": fahrenheit, "about": about, "target": AGES})
    assert [column.name for column in found.used] == ["about"] and found.giveaways == ("fahrenheit",)


def rows(**columns: Sequence[Cell]) -> TableRows:
    held = {name: column_from_cells(list(cells)) for name, cells in columns.items()}
    return TableRows(held, [f"#{i + 1}" for i in range(len(next(iter(columns.values()))))])


class Named(ImageArray):
    """Pictures of which the second is the first again."""

    def name(self, index: int) -> str:
        return ("a.png", "a.png", "b.png")[index]


def test_files_with_columns_keep_the_files_hashes_and_number_repeated_names(tmp_path: Path) -> None:
    pictures = Named(np.arange(48, dtype=np.uint8).reshape(3, 4, 4), "p")
    both = FilesWithColumns(pictures, rows(age=[1.0, 2.0, 3.0]))
    assert [both.name(i) for i in range(len(both))] == ["a.png #1", "a.png #2", "b.png"]
    assert both.content_hash(1) == pictures.content_hash(1)
    other = FilesWithColumns(pictures, rows(age=[1.0, 2.0, 4.0]))
    assert both.cells_hash([0, 1]) == other.cells_hash([0, 1]) != both.cells_hash([1, 0])
    assert both.cells_hash([0, 2]) != other.cells_hash([0, 2])
    with pytest.raises(ValueError, match="3 files, 2 rows"):
        FilesWithColumns(pictures, rows(age=[1.0, 2.0]))
