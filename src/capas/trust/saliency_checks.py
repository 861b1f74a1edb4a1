"""Whether a saliency map says something about the network: does it find what the answer depends on, does it change with
the weights, and is it better than looking for bright places?

- Petsiuk, Das & Saenko, "RISE", BMVC 2018: deletion (values are taken away, the most important first: the probability
  of the class should fall fast) and insertion (they are put in: it should rise fast), as areas under the curve;
- Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018: the map of a network whose weights are random must
  look different. We randomise all layers at once, keeping each tensor's scale, and compare by Spearman's rank
  correlation;
- the brightness of the pixels as the control: on white digits on black it is better than most maps.

Signed maps are compared with their signs, as they are also ranked for deletion. Without them, gradient × input and
integrated gradients would fail on any picture with a black background, where they are zero for every network: on digits
the correlation of their absolute values is 0.99 over the picture and 0.35 on the strokes, which is the picture's doing
(Adebayo et al. discuss it for MNIST). ``where`` leaves places out.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from capas.trust.adversarial import Forward

MapOf = Callable[[Forward, Tensor, Tensor], Tensor]
"""(forward, inputs (B, …), classes (B)) → maps (B, …)."""

Score = Callable[[Tensor, Tensor], Tensor]
"""Inputs (B, …), their numbers among the examples (B) → what is to fall or rise (B): a probability, a number."""

MOST_ALIKE = 0.3


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """The score, a class's probability or a number, over the share of values taken away or put in.

    ``shares`` (S + 1) from 0 to 1; ``mean`` (S + 1) over the examples; ``areas`` (N) under each example's own curve.
    """

    shares: Tensor
    mean: Tensor
    areas: Tensor

    @property
    def area(self) -> float:
        """The mean area under the curve, 0..1."""
        return float(self.areas.mean())


def deletion(
    forward: Forward,
    x: Float[Tensor, " N *shape"],
    target: Int[Tensor, " N"],
    saliency: Float[Tensor, " N *places"],
    *,
    fill: float | Tensor = 0.0,
    steps: int = 20,
    batch: int = 1024,
) -> Curve:
    """The curve while the most important values of ``x`` are replaced by ``fill``: a small area is good.

    ``saliency`` as ``capas.trust.saliency`` makes it; ``fill`` is one value or broadcasts over ``x``; ``batch`` counts
    changed inputs. Raises ValueError when the shapes disagree.
    """
    filled = torch.as_tensor(fill).to(x).expand_as(x)
    return turning(_of_class(forward, target), x, filled, saliency, steps=steps, batch=batch)


def insertion(
    forward: Forward,
    x: Float[Tensor, " N *shape"],
    target: Int[Tensor, " N"],
    saliency: Float[Tensor, " N *places"],
    *,
    fill: float | Tensor = 0.0,
    steps: int = 20,
    batch: int = 1024,
) -> Curve:
    """The curve while the most important values of ``x`` are put into ``fill``: a large area is good."""
    filled = torch.as_tensor(fill).to(x).expand_as(x)
    return turning(_of_class(forward, target), filled, x, saliency, steps=steps, batch=batch)


@dataclass(frozen=True, kw_only=True, slots=True)
class Randomisation:
    """``correlations`` (R, N): how alike, −1..1, the maps of N examples are for the trained and R random networks."""

    correlations: Tensor

    @property
    def mean(self) -> float:
        """Over all examples and networks."""
        return float(self.correlations.mean())

    @property
    def passed(self) -> bool:
        """Whether the maps depend on the weights: a mean of 0.3 at most."""
        return self.mean <= MOST_ALIKE


def randomised_weights(
    map_of: MapOf,
    trained: Forward,
    randomised: Sequence[Forward],
    x: Float[Tensor, " N *shape"],
    target: Int[Tensor, " N"],
    *,
    where: Bool[Tensor, " N *places"] | None = None,
    batch: int = 256,
) -> Randomisation:
    """Compares the maps of the ``trained`` network with those of each ``randomised`` one, where ``where`` is true."""
    pairs = list(zip(torch.split(x, batch), torch.split(target, batch), strict=True))
    expected = torch.cat([map_of(trained, some, classes) for some, classes in pairs]).flatten(1)
    places = torch.ones_like(expected, dtype=torch.bool) if where is None else where.flatten(1)
    rows = []
    for forward in randomised:
        found = torch.cat([map_of(forward, some, classes) for some, classes in pairs]).flatten(1)
        alike = [spearman(a[kept], b[kept]) for a, b, kept in zip(expected, found, places, strict=True)]
        rows.append(torch.stack(alike))
    return Randomisation(correlations=torch.stack(rows))


def with_random_weights(network: nn.Module, generator: torch.Generator) -> nn.Module:
    """A copy in which every weight is drawn anew: matrices and kernels from a normal of the same root mean square
    around 0, vectors (biases, gains) shuffled. Buffers, such as the statistics of batch normalisation, stay.
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
    """Spearman's rank correlation, −1..1, ties at their mean rank; 0 where one of the two is constant."""
    first, second = _ranks(a), _ranks(b)
    first, second = first - first.mean(), second - second.mean()
    spread = (first.square().sum() * second.square().sum()).sqrt()
    return ((first * second).sum() / spread.clamp(min=1e-12)).float()


@dataclass(frozen=True, kw_only=True, slots=True)
class Advantage:
    """By how much (insertion − deletion) of a map exceeds that of brightness: the mean over ``n`` examples, with the 95
    % interval of the bootstrap over the examples.
    """

    value: float
    interval: tuple[float, float]
    n: int

    @property
    def reliable(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.interval[0] > 0


def beats_brightness(
    method: tuple[Curve, Curve], control: tuple[Curve, Curve], generator: torch.Generator, *, resamples: int = 2000
) -> Advantage:
    """Compares (deletion, insertion) of a ``method`` with those of ``brightness``, on the same examples.

    Raises ValueError when the numbers of examples disagree.
    """
    gains = [insertion.areas - deletion.areas for deletion, insertion in (method, control)]
    if gains[0].shape != gains[1].shape or not len(gains[0]):
        raise ValueError(f"{len(gains[0])} examples against {len(gains[1])}")
    difference = (gains[0] - gains[1]).double().cpu()
    n = len(difference)
    drawn = torch.randint(0, n, (resamples, n), generator=generator, device=generator.device).cpu()
    low, high = difference[drawn].mean(1).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Advantage(value=float(difference.mean()), interval=(low, high), n=n)


def turning(
    score: Score,
    first: Float[Tensor, " N *shape"],
    last: Float[Tensor, " N *shape"],
    saliency: Float[Tensor, " N *places"],
    *,
    steps: int = 20,
    batch: int = 256,
) -> Curve:
    """The score while ``first`` turns into ``last``, the most salient values first. Raises ValueError when the shapes
    disagree."""
    shape = first.shape[:1] + first.shape[2:] if first.ndim == 4 else first.shape
    if saliency.shape != shape or steps < 1:
        raise ValueError(f"maps {tuple(saliency.shape)} for inputs {tuple(first.shape)}, {steps} steps")
    # Stable: among equals, the order of the places.
    order = saliency.flatten(1).sort(dim=1, descending=True, stable=True).indices
    position = order.argsort(1).reshape(shape)
    position = position.unsqueeze(1) if first.ndim == 4 else position
    rows, columns = torch.arange(len(first)), []
    with torch.no_grad():
        for step in range(steps + 1):
            inputs = torch.where(position < round(order.shape[1] * step / steps), last, first)
            parts = zip(torch.split(inputs, batch), torch.split(rows, batch), strict=True)
            columns.append(torch.cat([score(part, some) for part, some in parts]))
    scores = torch.stack(columns, dim=1)
    areas = torch.trapezoid(scores, dx=1 / steps, dim=1)
    return Curve(shares=torch.linspace(0, 1, steps + 1), mean=scores.mean(0), areas=areas)


def _of_class(forward: Forward, target: Tensor) -> Score:
    """The probability of each example's class."""
    return lambda inputs, rows: forward(inputs).softmax(1).gather(1, target[rows][:, None])[:, 0]


def _ranks(values: Tensor) -> Tensor:
    """1 to P by size, equal values at the mean of their ranks."""
    ordered = values.sort().values
    below, up_to = torch.searchsorted(ordered, values), torch.searchsorted(ordered, values, right=True)
    return (below + up_to + 1).double() / 2
