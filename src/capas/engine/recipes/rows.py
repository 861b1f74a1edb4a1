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
from capas.bundle.export import Exportable, Given
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
from capas.engine.choose import Execution
from capas.engine.config import Config
from capas.engine.parallel import Ranks
from capas.engine.recipe import Item, Settled, TrainingSet, Work
from capas.engine.recipes.answers import BASELINE_EXAMPLES, Answers
from capas.engine.recipes.one_answer import OneAnswerRecipe, OnFields, order_of, outputs_of
from capas.engine.settle import chosen, filled
from capas.networks.catalog import described
from capas.networks.tabular import TabularConfig, TabularNetwork
from capas.tasks.regression import Ridge, TargetScale

NAME = "tabular-resnet"
WIDTH, BLOCKS = 128, 2
LINEAR_COLUMNS = 1000


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

    def __init__(
        self, config: Config, names: Sequence[str], encoded: EncodedRows, preparation: RowPreparation, *, numbers: bool
    ) -> None:
        self.config = config
        # Where there are more columns than this, a linear model takes longer than the training.
        columns = 2 * preparation.numbers + sum(preparation.categories)
        self.blended = numbers and columns <= LINEAR_COLUMNS
        self.encoded = encoded
        self.preparation = preparation
        self._names = names

    def network(self, num_outputs: int) -> nn.Module:
        self._network = build_network(self.config, self.preparation, num_outputs, blended=self.blended)
        return self._network

    def network_card(self, network: nn.Module, num_outputs: int) -> NetworkCard:
        settings = {"width": int(self.config.network.width), "num_classes": num_outputs, "blended": self.blended}
        parameters = sum(p.numel() for p in network.parameters())
        return NetworkCard(name=NAME, settings={**settings}, parameters=parameters, paper=described(NAME).paper)

    def training(self, targets: Tensor, positions: Tensor, ranks: Ranks) -> TrainingSet[Batch[EncodedRows]]:
        if self.blended:
            self._standardised = standardised(targets, positions)
            few = positions[:: max(1, len(positions) // BASELINE_EXAMPLES)]
            fit_linear(self._network, self.features(few), self._standardised[few])
        order = order_of(self.config, positions, ranks)
        return with_targets(order, self._names, targets, lambda chosen, rng: self.take(chosen))

    def blend(self, positions: Tensor, execution: Execution) -> None:
        """The share of the network in the answer, 0..1, that leaves the least squared error."""
        if not self.blended:
            return
        alone, share = [], tabular(self._network).get_buffer("share")
        for value in (1.0, 0.0):
            share.fill_(value)
            alone.append(outputs_of(self._network, self.take(positions), execution))
        share.copy_(best_share(alone[0], alone[1], self._standardised[positions]))

    def take(self, positions: Tensor) -> EncodedRows:
        return EncodedRows(numbers=self.encoded.numbers[positions], categories=self.encoded.categories[positions])

    def features(self, positions: Tensor) -> Float[Tensor, "N D"]:
        return one_hot(self.take(positions), self.preparation)

    def as_json(self) -> Mapping[str, object]:
        return self.preparation.as_json()


def standardised(targets: Tensor, train: Tensor) -> Float[Tensor, "N M"]:
    """Numbers as the objective has them: with mean 0 and deviation 1 over the rows ``train``."""
    columns = [TargetScale.fit(column[train]).standardise(column) for column in targets.T]
    return torch.stack(columns, dim=1)


def tabular(network: nn.Module) -> TabularNetwork:
    """The network that is called with fields."""
    assert isinstance(network, OnFields) and isinstance(network.network, TabularNetwork)
    return network.network


def fit_linear(network: nn.Module, features: Float[Tensor, "N D"], targets: Float[Tensor, "N M"]) -> None:
    """Fill in the linear part of ``network``: a ridge regression for each of the ``targets``."""
    inner = tabular(network)
    for place, column in enumerate(targets.T):
        ridge = Ridge.fit(features, column)
        weight = ridge.weight / ridge.scale
        inner.get_buffer("linear_weight")[:, place] = weight.float()
        inner.get_buffer("linear_bias")[place] = ridge.bias - float(ridge.centre @ weight)


def best_share(
    network: Float[Tensor, "N M"], linear: Float[Tensor, "N M"], targets: Float[Tensor, "N M"]
) -> Float[Tensor, " M"]:
    """The a in 0..1 for which a · network + (1 − a) · linear has the least squared error, for each column."""
    apart = network - linear
    wanted = ((targets - linear) * apart).sum(0) / apart.square().sum(0).clamp(min=1e-12)
    return wanted.clamp(0, 1)


def build_network(config: Config, preparation: RowPreparation, num_outputs: int, *, blended: bool = False) -> nn.Module:
    """With weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    return _network(preparation, num_outputs, int(config.network.width), blended=blended).train()


def _network(preparation: RowPreparation, num_outputs: int, width: int, *, blended: bool = False) -> nn.Module:
    shape = TabularConfig(
        numbers=preparation.numbers, categories=preparation.categories, outputs=num_outputs, width=width,
        blocks=BLOCKS, blended=blended,
    )  # fmt: skip
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

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        assert isinstance(self.network, OnFields)
        rows = self.collate(prepared) if prepared else self._made_up()
        numbers, categories = self._made_up().numbers, self._made_up().categories
        inputs = [
            Given(name="numbers", axes=("batch", numbers.shape[1]), example=numbers,
                  values="(x - mean) / std of each number of each column that is no category, bounded to -6..6; NaN "
                  "where it is missing; a date gives days since 1970, day of the year, day of the week (Monday is 0)"),
            Given(name="categories", axes=("batch", categories.shape[1]), example=categories,
                  values="for each column that is a category the place of the value in its list, 1 for the first; 0 "
                  "where it is missing or not in the list"),
        ]  # fmt: skip
        return Exportable(
            network=self.network.network, inputs=inputs, output="outputs", axes=("batch",), count=len(rows.numbers),
            compared=[(rows.numbers, rows.categories)], facts={"preparation": self.preparation.as_json()},
        )  # fmt: skip

    def _made_up(self) -> EncodedRows:
        """Rows of chance, one number in ten missing."""
        chance = torch.Generator().manual_seed(0)
        numbers = torch.randn(16, self.preparation.numbers, generator=chance)
        numbers[torch.rand(numbers.shape, generator=chance) < 0.1] = torch.nan
        columns = [torch.randint(size, (16,), generator=chance) for size in self.preparation.categories]
        categories = torch.stack(columns, 1) if columns else torch.zeros(16, 0, dtype=torch.int64)
        return EncodedRows(numbers=numbers, categories=categories)


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
        numbers = work.spec.task == "regress"
        return PreparedRows(work.config, work.record.names, preparation.encode(rows), preparation, numbers=numbers)

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
        blended = bool(bundle.card.network.settings.get("blended"))
        return RowReader(bundle.fill(_network(preparation, num_outputs, width, blended=blended)), preparation)


recipe = OneAnswerRecipe(RowSide())
