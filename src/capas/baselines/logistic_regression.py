"""Linear baseline of classification: multinomial logistic regression, its penalty chosen by cross-validation."""

import warnings
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

PENALTIES: Final = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)  # inverse strengths, as scikit-learn's C
FOLDS: Final = 3
MAX_CHOOSING: Final = 2000  # examples that the penalty is chosen on
IMPOSSIBLE: Final = -30.0  # logit of a class without examples


def fit_logistic_regression(
    features: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    num_classes: int,
    *,
    c: float | None = None,
    steps: int = 100,
) -> Callable[[Float[Tensor, "M D"]], Float[Tensor, "M K"]]:
    """Fit scikit-learn's ``LogisticRegression`` and return the function from features to probabilities.

    Args:
        features: Brought to one common centre and scale, so that constant pixels stay harmless, shape (N, D).
        labels: Class indices, shape (N,). Where all are the same, that class has probability 1.
        num_classes: K; a class without examples has probability 0.
        c: Inverse strength of the L2 penalty: mean cross-entropy + ‖W‖² / (2·c·N) is minimised. None: the best of
            ``PENALTIES`` in cross-validation.
        steps: Iterations of L-BFGS at most.
    """
    centre = features.mean(0)
    scale = (features - centre).square().mean().sqrt().clamp(min=1e-6)
    known = torch.unique(labels)
    scaled = (features - centre) / scale
    if len(known) > 1:
        c = choose_penalty(scaled, labels, steps=steps) if c is None else c
        weight, bias = fit_logistic_weights(scaled, labels, num_classes, c=c, steps=steps)

    def predict(rows: Tensor) -> Tensor:
        probabilities = torch.zeros(len(rows), num_classes)
        logits = ((rows - centre) / scale) @ weight + bias if len(known) > 1 else torch.zeros(len(rows), num_classes)
        probabilities[:, known] = logits[:, known].softmax(1)
        return probabilities

    return predict


def fit_logistic_weights(
    features: Float[Tensor, "N D"], labels: Int[Tensor, " N"], num_classes: int, *, c: float, steps: int = 100
) -> tuple[Float[Tensor, "D K"], Float[Tensor, " K"]]:
    """Return weight and bias of the logits, for at least two classes; a class without examples has logit −30."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # A baseline that has not quite converged is a baseline still; a warning here would be told to the user.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=c, max_iter=steps).fit(features.numpy(), labels.numpy())
    weight, bias = torch.zeros(features.shape[1], num_classes), torch.full((num_classes,), IMPOSSIBLE)
    # Of two classes the model has one row, the logit of the second.
    known = model.classes_[-len(model.coef_) :]
    bias[model.classes_] = 0.0
    weight[:, known], bias[known] = torch.from_numpy(model.coef_.T).float(), torch.from_numpy(model.intercept_).float()
    return weight, bias


def choose_penalty(features: Float[Tensor, "N D"], labels: Int[Tensor, " N"], *, steps: int = 100) -> float:
    """Return the one of ``PENALTIES`` whose log loss on left-out examples is least; 1 where it cannot be told.

    From the strongest penalty on, until the loss rises: what comes after would only overfit more, and slowly.
    """
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(labels))[:MAX_CHOOSING])
    x, y = features[order], labels[order]
    fold = torch.arange(len(y)) % FOLDS
    num_classes = int(labels.max()) + 1
    if any(len(torch.unique(y[fold != left_out])) < 2 for left_out in range(FOLDS)):
        return 1.0
    best, least = 1.0, float("inf")
    for c in PENALTIES:
        losses = []
        for left_out in range(FOLDS):
            train, held = fold != left_out, fold == left_out
            weight, bias = fit_logistic_weights(x[train], y[train], num_classes, c=c, steps=steps)
            losses.append(F.cross_entropy(x[held] @ weight + bias, y[held], reduction="sum"))
        loss = float(torch.stack(losses).sum())
        if loss > least:
            break
        best, least = c, loss
    return best


def downscaled_pixels(images: UInt8[Tensor, "N C H W"], side: int = 16) -> Float[Tensor, "N D"]:
    """Return uint8 images (N, C, H, W) as features (N, D) in 0..1, averaged down to ``side`` pixels at most."""
    small = images.float() / 255
    if max(images.shape[2:]) > side:
        small = F.adaptive_avg_pool2d(small, (min(side, images.shape[2]), min(side, images.shape[3])))
    return small.flatten(1)
