"""Per-example metrics of structured outputs, read back from ``predictions.csv``: pixels, words or characters correct.

The metric of several examples is Σ numerator / Σ denominator, as in the test: entity F1 of all sentences together is
twice the correct entities by the given and the predicted ones; a mean over images has the denominator 1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

import torch
from jaxtyping import Float
from torch import Tensor

from capas.decoding.label_schemes import labels_to_entities
from capas.engine.recipe import LOWER_IS_BETTER_METRICS
from capas.trust.predictions import read_predictions
from capas.trust.subjects.run_context import RunContext

PredictionRow = Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class PerExampleMetric:
    """A test metric split into per-example ratios.

    Attributes:
        name: Name of the metric in the test.
        positions: Positions of the examples in the record.
        numerator: Shape (N,).
        denominator: Shape (N,).
        unit: Unit of the metric; None for a share.
    """

    name: str
    positions: tuple[int, ...]
    numerator: Float[Tensor, " N"]
    denominator: Float[Tensor, " N"]
    unit: str | None = None

    @property
    def sign(self) -> int:
        """1 where higher is better, −1 where lower is."""
        return -1 if self.name in LOWER_IS_BETTER_METRICS else 1


def per_example_metric(case: RunContext) -> PerExampleMetric | None:
    """Return the per-example metric of the test; None where the file holds none. Raises CapasError ``run_damaged``."""
    rows = [row for row in read_predictions(case.run) if row.get("example")]
    way = _way(rows[0], spans="entity_f1" in cast(Mapping[str, object], case.metrics["metrics"])) if rows else None
    if way is None:
        return None
    name, pair, unit = way
    test = set(case.record.positions("test").tolist())
    places = {case.record.names[i]: i for i in test}
    found = [(places[row["example"]], pair(row)) for row in rows if row["example"] in places]
    held = [(place, both) for place, both in found if both is not None]
    if not held:
        return None
    return PerExampleMetric(
        name=name, positions=tuple(place for place, _ in held), unit=unit,
        numerator=torch.tensor([top for _, (top, _) in held], dtype=torch.float64),
        denominator=torch.tensor([bottom for _, (_, bottom) in held], dtype=torch.float64),
    )  # fmt: skip


MetricRule = tuple[str, Callable[[PredictionRow], tuple[float, float] | None], str | None]


def _way(row: PredictionRow, *, spans: bool) -> MetricRule | None:
    """The figure's name and how it is read, by the columns that there are; the first that fits."""
    for columns, way in _WAYS:
        if columns <= set(row):
            return _ENTITIES if way is _WORDS and spans else way
    return None


def _alone(column: str) -> Callable[[PredictionRow], tuple[float, float] | None]:
    return lambda row: (float(row[column]), 1.0) if row[column] else None


def _of_characters(row: PredictionRow) -> tuple[float, float]:
    return float(row["errors"]), float(len(row["text"]))


def _of_words(row: PredictionRow) -> tuple[float, float]:
    targets, found = row["labels"].split(), row["predicted"].split()
    return float(sum(a == b for a, b in zip(targets, found, strict=True))), float(len(targets))


def _of_entities(row: PredictionRow) -> tuple[float, float]:
    targets, found = labels_to_entities(row["labels"].split()), labels_to_entities(row["predicted"].split())
    return 2.0 * len(set(targets) & set(found)), float(len(targets) + len(found))


_WORDS: Final[MetricRule] = ("token_accuracy", _of_words, None)
_ENTITIES: Final[MetricRule] = ("entity_f1", _of_entities, None)
_WAYS: Final[tuple[tuple[frozenset[str], MetricRule], ...]] = (
    (frozenset({"mean_iou"}), ("mean_iou", _alone("mean_iou"), None)),
    (frozenset({"labels", "predicted"}), _WORDS),
    (frozenset({"frame_error"}), ("frame_error", _alone("frame_error"), None)),
    (frozenset({"text", "errors"}), ("cer", _of_characters, None)),
    (frozenset({"psnr"}), ("psnr", _alone("psnr"), "dB")),
)
