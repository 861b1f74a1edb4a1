"""Linear baseline of classification: multinomial logistic regression."""

import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor


def fit_logistic_regression(
    features: Float[Tensor, "N D"], labels: Int[Tensor, " N"], num_classes: int, *, c: float = 0.01, steps: int = 100
) -> Callable[[Float[Tensor, "M D"]], Float[Tensor, "M K"]]:
    """Fit scikit-learn's ``LogisticRegression`` and return the function from features to probabilities.

    Args:
        features: Brought to one common centre and scale, so that constant pixels stay harmless, shape (N, D).
        labels: Class indices, shape (N,). Where all are the same, that class has probability 1.
        num_classes: K; a class without examples has probability 0.
        c: Inverse strength of the L2 penalty: mean cross-entropy + ‖W‖² / (2·c·N) is minimised.
        steps: Iterations of L-BFGS at most.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    centre = features.mean(0)
    scale = (features - centre).square().mean().sqrt().clamp(min=1e-6)
    known = torch.unique(labels)
    model = LogisticRegression(C=c, max_iter=steps)
    if len(known) > 1:
        with warnings.catch_warnings():
            # A baseline that has not quite converged is a baseline still; a warning here would be told to the user.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(((features - centre) / scale).numpy(), labels.numpy())

    def predict(rows: Tensor) -> Tensor:
        probabilities = torch.zeros(len(rows), num_classes)
        found = model.predict_proba(((rows - centre) / scale).numpy()) if len(known) > 1 else 1.0
        probabilities[:, known] = torch.as_tensor(found, dtype=torch.float32)
        return probabilities

    return predict


def downscaled_pixels(images: UInt8[Tensor, "N C H W"], side: int = 16) -> Float[Tensor, "N D"]:
    """Return uint8 images (N, C, H, W) as features (N, D) in 0..1, averaged down to ``side`` pixels at most."""
    small = images.float() / 255
    if max(images.shape[2:]) > side:
        small = F.adaptive_avg_pool2d(small, (min(side, images.shape[2]), min(side, images.shape[3])))
    return small.flatten(1)
