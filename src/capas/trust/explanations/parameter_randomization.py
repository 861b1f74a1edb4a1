"""Model parameter randomisation test: a saliency map must change when the weights do.

Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018: the map of a network whose weights are random must look
different. We randomise all layers at once, keeping each tensor's scale, and compare by Spearman's rank correlation.

Signed maps are compared with their signs, as they are also ranked for deletion. Without them, gradient × input and
integrated gradients would fail on any image with a black background, where they are zero for every network: on digits
the correlation of their absolute values is 0.99 over the image and 0.35 on the strokes, which is a property of the
image (Adebayo et al. discuss it for MNIST). ``mask`` leaves pixels out.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from capas.trust.subjects.model_functions import ForwardFunction

SaliencyFunction = Callable[[ForwardFunction, Tensor, Tensor], Tensor]
MAX_RANDOMIZATION_CORRELATION = 0.3
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, kw_only=True, slots=True)
class ParameterRandomization:
    """Rank correlations (R, N), −1..1, between the maps of N examples for the trained and for R randomised networks."""

    correlations: Tensor

    @property
    def mean(self) -> float:
        """The mean over all examples and networks."""
        return float(self.correlations.mean())

    @property
    def passed(self) -> bool:
        """Whether the maps depend on the weights: a mean of 0.3 at most."""
        return self.mean <= MAX_RANDOMIZATION_CORRELATION


def parameter_randomization(
    saliency_function: SaliencyFunction,
    trained: ForwardFunction,
    randomised: Sequence[ForwardFunction],
    x: Float[Tensor, " N *shape"],
    target: Int[Tensor, " N"],
    *,
    mask: Bool[Tensor, " N *places"] | None = None,
    batch: int = 256,
) -> ParameterRandomization:
    """Compare the maps of the ``trained`` network with those of each ``randomised`` one, where ``mask`` is true."""
    pairs = list(zip(torch.split(x, batch), torch.split(target, batch), strict=True))
    expected = torch.cat([saliency_function(trained, some, classes) for some, classes in pairs]).flatten(1)
    places = torch.ones_like(expected, dtype=torch.bool) if mask is None else mask.flatten(1)
    rows = []
    for forward in randomised:
        found = torch.cat([saliency_function(forward, some, classes) for some, classes in pairs]).flatten(1)
        alike = [spearman(a[kept], b[kept]) for a, b, kept in zip(expected, found, places, strict=True)]
        rows.append(torch.stack(alike))
    return ParameterRandomization(correlations=torch.stack(rows))


def with_randomized_parameters(network: Network, generator: torch.Generator) -> Network:
    """Return a copy of ``network`` with random weights.

    Matrices and kernels are drawn from a normal of the same root mean square around 0, vectors (biases, gains)
    shuffled. Buffers, such as the statistics of batch normalisation, stay.
    """
    other = copy.deepcopy(network)
    with torch.no_grad():
        for weights in other.parameters():
            if weights.ndim > 1:
                drawn = torch.randn(weights.shape, generator=generator, device=generator.device).to(weights)
                weights.copy_(drawn * weights.square().mean().sqrt())
            else:
                order = torch.randperm(weights.numel(), generator=generator, device=generator.device)
                weights.copy_(weights.flatten()[order.to(weights.device)].reshape(weights.shape))
    return other


def spearman(a: Float[Tensor, " P"], b: Float[Tensor, " P"]) -> Float[Tensor, ""]:
    """Return Spearman's rank correlation, −1..1, ties at their mean rank; 0 where either is constant."""
    first, second = _ranks(a), _ranks(b)
    first, second = first - first.mean(), second - second.mean()
    spread = (first.square().sum() * second.square().sum()).sqrt()
    return ((first * second).sum() / spread.clamp(min=1e-12)).float()


def _ranks(values: Tensor) -> Tensor:
    """1 to P by size, equal values at the mean of their ranks."""
    ordered = values.sort().values
    below, up_to = torch.searchsorted(ordered, values), torch.searchsorted(ordered, values, right=True)
    return (below + up_to + 1).double() / 2
