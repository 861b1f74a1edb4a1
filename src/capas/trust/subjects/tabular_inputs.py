"""Table rows as the inputs of a model under test: columns as features, numbers a little off, and probes."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from capas.data.collections import ExampleCollection, TableRows
from capas.data.tabular.columns import Cell, TableColumn
from capas.data.tabular.preprocess import EncodedRows, one_hot_columns
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
TELLABLE, TELLABLE_FPR = 0.5, 0.05


class TabularInputAdapter(InputAdapter):
    """``InputAdapter`` of table rows; prepared inputs are encoded rows, which have no columns any more."""

    reader: TabularReader

    def __init__(self, reader: TabularReader) -> None:
        self.reader = reader

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
