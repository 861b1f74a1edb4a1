"""The linear model beside every model with one output per example: a rival that anyone can have in a minute."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from capas.baselines.logistic_regression import choose_penalty, fit_logistic_regression
from capas.baselines.ridge import fit_ridge
from capas.baselines.sparse_linear import fit_sparse_linear
from capas.core.spec import OutputKind

Predict = Callable[[Any], Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearBaseline:
    """A kind of linear model.

    Attributes:
        names: Name of the model by what it predicts.
        fit: Called with features (N, D), targets, what they are and the number of outputs; returns the function from
            features to probabilities or numbers (N, O).
    """

    names: Mapping[OutputKind, str]
    fit: Callable[[Any, Tensor, OutputKind, int], Predict]


def _fit_dense(features: Tensor, targets: Tensor, kind: OutputKind, num_outputs: int) -> Predict:
    if kind == "class":
        return fit_logistic_regression(features, targets, num_outputs)
    if kind == "numbers":
        models = [fit_ridge(features, column) for column in targets.T]
        return lambda rows: torch.stack([model.predict(rows) for model in models], 1)
    tags = targets.long()
    # One penalty for all tags, the best for the commonest: hundreds of tags would take longer than the training.
    c = choose_penalty(features, tags[:, int(tags.sum(0).argmax())], steps=30)
    machines = [fit_logistic_regression(features, column, 2, c=c, steps=30) for column in tags.T]
    return lambda rows: torch.stack([predict(rows)[:, 1] for predict in machines], 1)


def _fit_sparse(features: Any, targets: Tensor, kind: OutputKind, num_outputs: int) -> Predict:
    return fit_sparse_linear(features, targets, kind, num_outputs).predict


DENSE_BASELINE: Final = LinearBaseline(
    names={"class": "logistic_regression", "tags": "logistic_regression", "numbers": "ridge"}, fit=_fit_dense
)
SPARSE_BASELINE: Final = LinearBaseline(
    names={"class": "tfidf_linear", "tags": "tfidf_linear", "numbers": "ridge"}, fit=_fit_sparse
)
