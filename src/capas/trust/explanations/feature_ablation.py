"""Feature ablation (leave-one-out): how the prediction changes without each word, column or time segment.

It needs only forward passes, so it works for every model (Zeiler & Fergus 2014 for images; Li, Monroe & Jurafsky 2016,
"Understanding Neural Networks through Representation Erasure", arXiv:1612.08220, for words). Interactions between
features are not seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from capas.data.tabular.columns import Cell
from capas.data.tabular.preprocess import TabularPreprocessing
from capas.engine.recipe import Item
from capas.engine.recipes.single_output.tabular.predictor import TabularReader

MAX_WORDS = 200
TIME_SEGMENTS = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class AblationFeatures:
    """The features of an input: their ``names``, and ``keep``, which builds a prepared input with the kept ones."""

    names: Sequence[str]
    keep: Callable[[Bool[Tensor, " P"]], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureAttributions:
    """The leave-one-out attributions of an input.

    Attributes:
        names: The features.
        weights: Score lost without each feature, shape (P,).
        score: Score of the whole input: a class's probability, or a number's value.
    """

    names: Sequence[str]
    weights: Tensor
    score: float


ScoreFunction = Callable[[Sequence[object]], Float[Tensor, " B"]]


def word_features(text: str) -> AblationFeatures:
    """Return the first 200 words as features, in order; the rest stays as it is."""
    words = text.split()
    first, rest = words[:MAX_WORDS], words[MAX_WORDS:]

    def keep(kept_mask: Bool[Tensor, " P"]) -> str:
        kept = [word for word, there in zip(first, kept_mask.tolist(), strict=True) if there]
        return " ".join([*kept, *rest]) or " "

    return AblationFeatures(names=first, keep=keep)


def baseline_cells(preparation: TabularPreprocessing) -> dict[str, Cell]:
    """Return a typical cell per column: the mean of numbers, the most frequent category; dates are missing."""
    return {
        column.name: column.mean[0] if column.kind == "number" else column.values[0] if column.values else None
        for column in preparation.columns
    }


def column_features(reader: TabularReader, row: Mapping[str, Cell], baseline: Mapping[str, Cell]) -> AblationFeatures:
    """Return the columns that the model reads as features.

    An ablated column gets its baseline cell, not a missing one: that a cell is missing would carry information too.
    """
    names = [column.name for column in reader.preparation.columns]

    def keep(kept_mask: Bool[Tensor, " P"]) -> object:
        held = {
            name: row.get(name) if there else baseline[name]
            for name, there in zip(names, kept_mask.tolist(), strict=True)
        }
        return reader.preparation.encode([held])

    return AblationFeatures(names=names, keep=keep)


def time_segment_features(wave: NDArray[np.float32], sample_rate: int) -> AblationFeatures:
    """Return 24 time segments as features; an ablated one is silent."""
    edges = np.linspace(0, len(wave), TIME_SEGMENTS + 1).round().astype(int)
    names = [f"{a / sample_rate:.2f}–{b / sample_rate:.2f} s" for a, b in pairwise(edges.tolist())]

    def keep(kept_mask: Bool[Tensor, " P"]) -> NDArray[np.float32]:
        kept = wave.copy()
        for there, a, b in zip(kept_mask.tolist(), edges[:-1], edges[1:], strict=True):
            if not there:
                kept[a:b] = 0
        return kept

    return AblationFeatures(names=names, keep=keep)


def tabular_row_of(item: Item) -> Mapping[str, Cell]:
    """Return the cells of a row as the user gave it."""
    assert isinstance(item.content, Mapping)
    return item.content


def leave_one_out_attributions(features: AblationFeatures, score: ScoreFunction) -> FeatureAttributions:
    """Return what the score loses without each feature."""
    count = len(features.names)
    kept_mask = torch.cat([torch.ones(1, count, dtype=torch.bool), ~torch.eye(count, dtype=torch.bool)])
    scores = score([features.keep(row) for row in kept_mask])
    return FeatureAttributions(names=features.names, weights=scores[0] - scores[1:], score=float(scores[0]))


def ablation_curves(
    features: AblationFeatures, score: ScoreFunction, order: Sequence[int], shares: Sequence[float]
) -> tuple[Float[Tensor, " S"], Float[Tensor, " S"]]:
    """Return deletion and insertion curves (Petsiuk, Das & Saenko 2018).

    The score when the first ``shares`` of ``order`` are ablated, and when all others are.
    """
    count = len(features.names)
    rows = []
    for share in shares:
        first = torch.zeros(count, dtype=torch.bool)
        first[list(order[: round(share * count)])] = True
        rows += [~first, first]
    scores = score([features.keep(row) for row in rows])
    return scores[0::2], scores[1::2]
