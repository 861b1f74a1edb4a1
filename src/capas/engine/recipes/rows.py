"""Rows of a table as input."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.core.messages import say
from capas.core.random import derive_seed
from capas.core.spec import Medium
from capas.data.batch import Batch, with_targets
from capas.data.folders import TABLE_SUFFIXES
from capas.data.inputs import Inputs, Rows
from capas.data.look import Look
from capas.data.rows import EncodedRows, RowPreparation, one_hot
from capas.data.tables import Cell, read_table
from capas.engine.config import Config
from capas.engine.parallel import Ranks
from capas.engine.recipe import Item, Settled, TrainingSet, Work
from capas.engine.recipes.answers import Answers
from capas.engine.recipes.one_answer import OneAnswerRecipe, OnFields, order_of
from capas.engine.settle import chosen, filled
from capas.networks.catalog import described
from capas.networks.tabular import TabularConfig, TabularNetwork

NAME = "tabular-resnet"
WIDTH, BLOCKS = 128, 2


def settle(config: Config, seen: Look) -> Settled:
    """Decide what ``config`` leaves open for a table."""
    n = max(1, seen.split.count("train"))
    if config.network.name not in ("auto", NAME):
        raise CapasError("network_not_for", where="network.name", received=config.network.name, names=NAME)
    batch = max(16, min(256, 1 << max(0, (n // 20).bit_length() - 1)))
    epochs = float(max(20, min(150, round(100_000 / n))))
    epochs = chosen(config.train.epochs, epochs)
    reasons = [say("settle.rows", network=NAME), say("settle.epochs", epochs=int(epochs), n=n)]
    made = filled(config, name=NAME, width=WIDTH, batch_size=batch, epochs=epochs, learning_rate=2e-3)
    return Settled(config=made, reasons=tuple(reasons))


class PreparedRows:
    """The rows of a run, encoded."""

    baseline = "logistic_regression"
    head: str | None = None

    def __init__(self, config: Config, names: Sequence[str], encoded: EncodedRows, preparation: RowPreparation) -> None:
        self.config = config
        self.encoded = encoded
        self.preparation = preparation
        self._names = names

    def network(self, num_outputs: int) -> nn.Module:
        return build_network(self.config, self.preparation, num_outputs)

    def network_card(self, network: nn.Module, num_outputs: int) -> NetworkCard:
        settings = {"width": int(self.config.network.width), "num_classes": num_outputs}
        parameters = sum(p.numel() for p in network.parameters())
        return NetworkCard(name=NAME, settings={**settings}, parameters=parameters, paper=described(NAME).paper)

    def training(self, targets: Tensor, positions: Tensor, ranks: Ranks) -> TrainingSet[Batch[EncodedRows]]:
        order = order_of(self.config, positions, ranks)
        return with_targets(order, self._names, targets, lambda chosen, rng: self.take(chosen))

    def take(self, positions: Tensor) -> EncodedRows:
        return EncodedRows(numbers=self.encoded.numbers[positions], categories=self.encoded.categories[positions])

    def features(self, positions: Tensor) -> Float[Tensor, "N D"]:
        return one_hot(self.take(positions), self.preparation)

    def as_json(self) -> Mapping[str, object]:
        return self.preparation.as_json()


def build_network(config: Config, preparation: RowPreparation, num_outputs: int) -> nn.Module:
    """With weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    return _network(preparation, num_outputs, int(config.network.width)).train()


def _network(preparation: RowPreparation, num_outputs: int, width: int) -> nn.Module:
    shape = TabularConfig(
        numbers=preparation.numbers, categories=preparation.categories, outputs=num_outputs, width=width, blocks=BLOCKS
    )
    return OnFields(TabularNetwork(shape))


class RowReader:
    """The input side of a finished model of rows."""

    def __init__(self, network: nn.Module, preparation: RowPreparation) -> None:
        self.network = network
        self.preparation = preparation

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        """The rows of tables; "-" reads a JSON object a line."""
        for text in words:
            if text == "-":
                yield from (Item(name=f"#{i + 1}", content=_object(line, i)) for i, line in enumerate(lines)
                            if line.strip())  # fmt: skip
            elif Path(text).suffix.casefold() in TABLE_SUFFIXES and Path(text).is_file():
                table = read_table(Path(text))
                for i in range(table.rows):
                    row = {name: cells[i] for name, cells in table.columns.items()}
                    yield Item(name=f"{Path(text).name}#{i + 1}", content=row)
            elif "=" in text:
                yield Item(name=text, content=_assigned(text))
            else:
                raise CapasError("no_such_table", where=text)

    def item(self, content: object, number: int) -> Item:
        return Item(name=f"#{number + 1}", content=content)

    def read(self, item: Item) -> EncodedRows:
        if not isinstance(item.content, Mapping):
            raise CapasError("not_a_row", where=item.name, received=type(item.content).__name__)
        row = cast(Mapping[str, Cell], item.content)
        known = [column.name for column in self.preparation.columns]
        if not any(row.get(name) not in (None, "") for name in known):
            raise CapasError("row_without_inputs", where=item.name, received=", ".join(map(str, row)),
                             known=", ".join(known))  # fmt: skip
        return self.preparation.encode([row])

    def read_example(self, inputs: Inputs, index: int) -> EncodedRows:
        assert isinstance(inputs, Rows)
        return self.preparation.encode([inputs.row(index)])

    def collate(self, prepared: Sequence[object]) -> EncodedRows:
        rows = cast(Sequence[EncodedRows], prepared)
        return EncodedRows(
            numbers=torch.cat([row.numbers for row in rows]), categories=torch.cat([row.categories for row in rows])
        )

    def exportable(self, exclusive: bool) -> None:
        return None


def _object(line: str, number: int) -> Mapping[str, object]:
    try:
        tree = json.loads(line)
    except ValueError as error:
        raise CapasError("not_a_row", where=f"line {number + 1}", received=line.strip()[:80]) from error
    return cast(Mapping[str, object], tree)


def _assigned(text: str) -> dict[str, str]:
    """The row in "weight=70,height=1.75": as one writes it on a command line."""
    cells = next(csv.reader([text]))
    return {name.strip(): value.strip() for name, _, value in (cell.partition("=") for cell in cells)}


class RowSide:
    """What tables contribute to a recipe."""

    medium: Medium = "table"

    def settle(self, config: Config, seen: Look) -> Settled:
        return settle(config, seen)

    def prepare(self, work: Work, answers: Answers) -> PreparedRows:
        assert isinstance(work.inputs, Rows)
        rows = [work.inputs.row(i) for i in work.indices]
        train = [rows[i] for i in work.record.positions("train").tolist()]
        columns = {name: [row[name] for row in train] for name in work.inputs.columns}
        preparation = RowPreparation.fit(columns)
        return PreparedRows(work.config, work.record.names, preparation.encode(rows), preparation)

    def trial_inputs(
        self, config: Config, seen: Look, num_outputs: int, indices: Sequence[int]
    ) -> tuple[nn.Module, EncodedRows]:
        assert isinstance(seen.inputs, Rows)
        preparation = RowPreparation.fit(seen.inputs.columns)
        encoded = preparation.encode([seen.inputs.row(i) for i in indices])
        return build_network(config, preparation, num_outputs), encoded

    def reopen(self, bundle: Bundle, num_outputs: int) -> RowReader:
        preparation = RowPreparation.from_json(bundle.file(PREPARATION), where=str(bundle.folder / PREPARATION))
        width = bundle.card.network.settings.get("width")
        if not isinstance(width, int):
            raise CapasError("card_unreadable", where=bundle.folder / "card.json", received=f"width = {width}")
        return RowReader(bundle.fill(_network(preparation, num_outputs, width)), preparation)


recipe = OneAnswerRecipe(RowSide())
