"""Table rows as the inputs of a model under test: columns as features, numbers a little off, and probes."""

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_quantity
from capas.data.collections import ExampleCollection, TableRows
from capas.data.tabular.column_types import class_label
from capas.data.tabular.columns import Cell, TableColumn
from capas.data.tabular.preprocess import EncodedRows, TabularPreprocessing, one_hot_columns
from capas.engine.recipe import Item
from capas.engine.recipes.single_output.tabular.predictor import TabularReader
from capas.trust.attacks.text_tabular_perturbations import CandidatePerturbations, numeric_perturbations
from capas.trust.explanations.feature_ablation import (
    AblationFeatures,
    baseline_cells,
    column_features,
    tabular_row_of,
)
from capas.trust.ood.detection_metrics import detection_rate_at
from capas.trust.subjects.input_adapter import InputAdapter

FAR = 5.0
WIDE = 1e8
TELLABLE, TELLABLE_FPR = 0.5, 0.05
Row = Mapping[str, Cell]


class TabularInputAdapter(InputAdapter):
    """``InputAdapter`` of table rows; prepared inputs are encoded rows, which have no columns any more."""

    reader: TabularReader

    def __init__(self, reader: TabularReader) -> None:
        self.reader = reader
        # A scale so wide that no number meets the bound.
        self._wide = TabularPreprocessing(
            columns=tuple(replace(one, std=tuple(WIDE * s for s in one.std)) for one in reader.preparation.columns)
        )

    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> Mapping[str, Sequence[object]]:
        """Return all numbers five standard deviations higher with unknown categories, and every column shuffled."""
        torch.randint(2**31, (1,), generator=rng)  # not used, but a seed is to give what it has always given
        rows = self.reader.collate(prepared)
        mixed = [_shuffled_columns(part, rng) for part in (rows.numbers, rows.categories)]
        return {
            "far_off": _apart(rows.numbers + FAR, torch.zeros_like(rows.categories)),
            "shuffled_columns": _apart(*mixed),
        }

    def can_be_told(self, prepared: Sequence[object], probe: Sequence[object], rng: torch.Generator) -> bool:
        """Return whether a forest that learns from examples of both tells as many of them as a detector must.

        Columns that hardly depend on each other give, shuffled, rows like any other.
        """
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.model_selection import cross_val_predict

        x = torch.cat([self.linear_features(part, 2) for part in (prepared, probe)]).numpy()
        y = torch.cat([torch.zeros(len(prepared)), torch.ones(len(probe))]).numpy()
        forest = RandomForestClassifier(60, min_samples_leaf=2, random_state=0)
        scores = torch.from_numpy(cross_val_predict(forest, x, y, cv=3, method="predict_proba")[:, 1])
        usual, strange = scores[: len(prepared)], scores[len(prepared) :]
        found = detection_rate_at(strange, float(usual.quantile(1 - TELLABLE_FPR)))
        return found.interval[1] >= TELLABLE

    def linear_features(self, prepared: Sequence[object], num_classes: int) -> Float[Tensor, "N D"]:
        """Return the encoded cells."""
        return one_hot_columns(self.reader.collate(prepared), self.reader.preparation)

    def measured_input(self, item: Item, prepared: object) -> object:
        """Return the row as it was given: encoded, a number is bounded, and an unknown category is a missing one."""
        return tabular_row_of(item)

    def measured_example(self, inputs: ExampleCollection, index: int, prepared: object) -> object:
        assert isinstance(inputs, TableRows)
        return inputs.row(index)

    def measures(self, measured: Sequence[object], state: Mapping[str, Tensor]) -> Mapping[str, Float[Tensor, " N"]]:
        """Return the number of each column (of a date, days since 1970), and 1 for each known category, else 0."""
        encoded = [one if isinstance(one, EncodedRows) else self._unbounded(cast(Row, one)) for one in measured]
        rows = self.reader.collate(encoded)
        numbers, number, category = rows.numbers.double(), 0, 0
        found: dict[str, Tensor] = {}
        for column in self.reader.preparation.columns:
            if column.kind == "category":
                known = (rows.categories[:, category] > 0).double()
                given = [
                    isinstance(one, EncodedRows) or class_label(cast(Row, one).get(column.name)) for one in measured
                ]
                found[column.name] = torch.where(torch.tensor([bool(one) for one in given]), known, torch.nan)
                category += 1
            else:
                # As float32, in which it was encoded: 5,000 and not 5,000.0000087.
                found[column.name] = (numbers[:, number] * column.std[0] + column.mean[0]).float()
                number += len(column.mean)
        return found

    def fit_measures(
        self, measured: Sequence[object]
    ) -> tuple[Mapping[str, Float[Tensor, " N"]], Mapping[str, Tensor]]:
        """A category that occurs once would be unknown but for its own row: it counts as such."""
        found = dict(self.measures(measured, {}))
        for column in self.reader.preparation.columns:
            if column.kind == "category":
                labels = [class_label(cast(Row, one).get(column.name)) for one in measured]
                counts = Counter(labels)
                once = torch.tensor([counts[label] == 1 for label in labels])
                found[column.name] = torch.where(once, found[column.name].clamp(max=0), found[column.name])
                if not bool((found[column.name] > 0).any()):  # another in every row, such as names: no measure
                    found[column.name] = torch.full_like(found[column.name], torch.nan)
        return found, {}

    def measure_label(self, name: str) -> str:
        return say("trust.unlike.column", name=name)

    def measured_value(self, measured: object, name: str, value: float) -> str:
        column = next(one for one in self.reader.preparation.columns if one.name == name)
        if column.kind == "category":
            return str(cast(Row, measured).get(name))
        if column.kind == "date":
            return (datetime.date(1970, 1, 1) + datetime.timedelta(days=round(value))).isoformat()
        return format_quantity(value)

    def is_category(self, name: str) -> bool:
        return any(one.kind == "category" and one.name == name for one in self.reader.preparation.columns)

    def _unbounded(self, row: Row) -> EncodedRows:
        """The row encoded as for the network, but for the bound on its numbers."""
        encoded = self._wide.encode([row])
        return EncodedRows(numbers=encoded.numbers * WIDE, categories=encoded.categories)

    def columns_of(self, inputs: ExampleCollection) -> Mapping[str, TableColumn]:
        assert isinstance(inputs, TableRows)
        return inputs.columns

    def neighbour_features(self, inputs: ExampleCollection, rows: Sequence[int], without: str) -> Float[Tensor, "N D"]:
        assert isinstance(inputs, TableRows)
        encoded = self.reader.preparation.encode([{**inputs.row(i), without: None} for i in rows])
        return one_hot_columns(encoded, self.reader.preparation)

    def item_ablation_features(self, item: Item, prepared: object) -> AblationFeatures:
        return self._columns(tabular_row_of(item))

    def example_ablation_features(self, inputs: ExampleCollection, index: int) -> AblationFeatures:
        assert isinstance(inputs, TableRows)
        return self._columns(inputs.row(index))

    def _columns(self, row: Mapping[str, Cell]) -> AblationFeatures:
        return column_features(self.reader, row, baseline_cells(self.reader.preparation))

    def perturbations(self, prepared: object, step: float, rng: torch.Generator) -> CandidatePerturbations:
        return numeric_perturbations(self.reader.collate([prepared]), step)


def _shuffled_columns(values: Tensor, rng: torch.Generator) -> Tensor:
    columns = [column[torch.randperm(len(column), generator=rng)] for column in values.T]
    return torch.stack(columns, 1) if columns else values


def _apart(numbers: Tensor, categories: Tensor) -> list[EncodedRows]:
    return [EncodedRows(numbers=numbers[i : i + 1], categories=categories[i : i + 1]) for i in range(len(numbers))]
