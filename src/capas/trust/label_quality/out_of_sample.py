"""Out-of-sample probabilities by k-fold cross-validation, of any model or of logistic regression on features.

Shapes: N examples, D features, K classes.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from capas.baselines.logistic_regression import fit_logistic_regression


def cross_validate(
    n: int, num_classes: int, rng: torch.Generator, fit_predict: Callable[[Tensor, Tensor], Tensor], *, folds: int = 5
) -> Float[Tensor, "n K"]:
    """Return the probabilities of each of n examples from a model that was trained on the other folds.

    ``fit_predict(learn, held)`` trains on the rows ``learn`` and gives the probabilities of the rows ``held`` (H, K).

    Raises:
        ValueError: Fewer than two folds, or fewer examples than folds.
    """
    if n < folds or folds < 2:
        raise ValueError(f"{n} examples, {folds} folds; expected 2 folds or more and as many examples")
    found = torch.empty(n, num_classes)
    for held in torch.randperm(n, generator=rng).tensor_split(folds):
        rest = torch.ones(n, dtype=torch.bool)
        rest[held] = False
        found[held] = fit_predict(rest.nonzero()[:, 0], held)
    return found


def out_of_sample_probabilities(
    features: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    num_classes: int,
    rng: torch.Generator,
    *,
    folds: int = 5,
    penalty: float = 0.1,
) -> Float[Tensor, "N K"]:
    """Return the probabilities of each example from a logistic regression on the other folds; rows sum to one.

    Features are centred and brought to one scale for all; ``penalty`` times half the squared weights is added to the
    mean loss in nats. The features may come from a network only if it was not trained on these labels: otherwise it has
    copied the wrong ones into them.
    """
    rows = features.float()

    def fit_predict(learn: Tensor, held: Tensor) -> Tensor:
        predict = fit_logistic_regression(
            rows[learn], labels[learn], num_classes, c=1 / (penalty * len(learn)), steps=60
        )
        return predict(rows[held])

    return cross_validate(len(rows), num_classes, rng, fit_predict, folds=folds)
