"""The input side of trained tabular models."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import nn

from capas.bundle.export import Exportable
from capas.core.errors import CapasError
from capas.core.files import is_file
from capas.core.parsing import parse_json
from capas.data.collections import ExampleCollection, TableRows
from capas.data.tabular.columns import Cell, iterate_rows
from capas.data.tabular.io import is_table_file, read_table
from capas.data.tabular.preprocess import EncodedRows, TabularPreprocessing
from capas.engine.recipe import Item
from capas.engine.recipes.shared.forward import DataclassInputAdapter
from capas.engine.recipes.single_output.tabular.export import random_rows, row_inputs


class TabularReader:
    """Reads and encodes rows for a trained model (``InputReader``)."""

    def __init__(self, network: nn.Module, preparation: TabularPreprocessing) -> None:
        self.network = network
        self.preparation = preparation

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        """Yield the rows of tables, rows written as "weight=70,height=1.75", and for "-" a JSON object per line. Raises
        CapasError ``no_such_table``.
        """
        for text in words:
            if text == "-":
                yield from (Item(name=f"#{i + 1}", content=_object(line, i)) for i, line in enumerate(lines)
                            if line.strip())  # fmt: skip
            elif is_file(Path(text)) and is_table_file(Path(text)):
                table = read_table(Path(text))
                for i, row in enumerate(iterate_rows(table.columns, table.rows)):
                    yield Item(name=f"{Path(text).name}#{i + 1}", content=row)
            elif "=" in text:
                yield Item(name=text, content=_assigned(text))
            else:
                raise CapasError("no_such_table", where=text)

    def item(self, content: object, number: int) -> Item:
        return Item(name=f"#{number + 1}", content=content)

    def preprocess(self, item: Item) -> EncodedRows:
        if not isinstance(item.content, Mapping):
            raise CapasError("not_a_row", where=item.name, received=type(item.content).__name__)
        row = cast(Mapping[str, Cell], item.content)
        known = [column.name for column in self.preparation.columns]
        if not any(row.get(name) not in (None, "") for name in known):
            raise CapasError("row_without_inputs", where=item.name, received=", ".join(map(str, row)),
                             known=", ".join(known))  # fmt: skip
        return self.preparation.encode([row])

    def preprocess_example(self, inputs: ExampleCollection, index: int) -> EncodedRows:
        assert isinstance(inputs, TableRows)
        return self.preparation.encode([inputs.row(index)])

    def collate(self, prepared: Sequence[object]) -> EncodedRows:
        rows = cast(Sequence[EncodedRows], prepared)
        return EncodedRows(
            numbers=torch.cat([row.numbers for row in rows]), categories=torch.cat([row.categories for row in rows])
        )

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        assert isinstance(self.network, DataclassInputAdapter)
        rows = self.collate(prepared) if prepared else random_rows(self.preparation)
        return Exportable(
            network=self.network.network, inputs=row_inputs(self.preparation), output="outputs", axes=("batch",),
            count=len(rows.numbers), compared=[(rows.numbers, rows.categories)],
            facts={"preparation": self.preparation.as_json()},
        )  # fmt: skip


def _object(line: str, number: int) -> Mapping[str, object]:
    try:
        tree = parse_json(line)
    except ValueError as error:
        raise CapasError("not_a_row", where=f"line {number + 1}", received=line.strip()[:80]) from error
    return cast(Mapping[str, object], tree)


def _assigned(text: str) -> dict[str, str]:
    """The row in "weight=70,height=1.75", as written on a command line."""
    cells = next(csv.reader([text]))
    return {name.strip(): value.strip() for name, _, value in (cell.partition("=") for cell in cells)}
