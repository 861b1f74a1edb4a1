"""Linear baseline of classification: multinomial logistic regression."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class LogisticRegression:
    """Multinomial logistic regression with an L2 penalty, fitted by L-BFGS (strong Wolfe) in float32.

    The same minimum as scikit-learn's ``LogisticRegression(C=c)``: mean cross-entropy + ‖W‖² / (2·c·N).
    """

    weight: Tensor
    bias: Tensor
    centre: Tensor
    scale: Tensor

    @classmethod
    def fit(
        cls,
        features: Float[Tensor, "N D"],
        labels: Int[Tensor, " N"],
        num_classes: int,
        *,
        c: float = 0.01,
        steps: int = 100,
    ) -> "LogisticRegression":
        """Fit to features (N, D), standardised by one common scale, so that constant pixels stay harmless."""
        centre = features.mean(0)
        scale = (features - centre).std().clamp(min=1e-6)
        x = (features - centre) / scale
        weight = torch.zeros(num_classes, x.shape[1], requires_grad=True)
        bias = torch.zeros(num_classes, requires_grad=True)
        optimiser = torch.optim.LBFGS([weight, bias], max_iter=steps, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimiser.zero_grad()
            loss = F.cross_entropy(x @ weight.T + bias, labels) + weight.square().sum() / (2 * c * len(x))
            torch.autograd.backward(loss)
            return loss

        optimiser.step(closure)  # type: ignore[no-untyped-call]
        return cls(weight=weight.detach(), bias=bias.detach(), centre=centre, scale=scale)

    def predict(self, features: Float[Tensor, "N D"]) -> Float[Tensor, "N K"]:
        """Return probabilities (N, K)."""
        return ((features - self.centre) / self.scale @ self.weight.T + self.bias).softmax(1)


def downscaled_pixels(images: UInt8[Tensor, "N C H W"], side: int = 16) -> Float[Tensor, "N D"]:
    """Return uint8 images (N, C, H, W) as features (N, D) in 0..1, averaged down to ``side`` pixels at most."""
    small = images.float() / 255
    if max(images.shape[2:]) > side:
        small = F.adaptive_avg_pool2d(small, (min(side, images.shape[2]), min(side, images.shape[3])))
    return small.flatten(1)
