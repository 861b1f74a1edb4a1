"""Faithfulness of saliency maps: deletion and insertion curves, compared with those of the brightness control.

- Petsiuk, Das & Saenko, "RISE", BMVC 2018: deletion (values are removed, the most important first: the probability of
  the class should fall fast) and insertion (they are put in: it should rise fast), as areas under the curve;
- the brightness of the pixels as the control: on white digits on black it is better than most maps.

Signed maps are ranked by their signed values. The test by random weights is in ``parameter_randomization``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from capas.trust.subjects.model_functions import ForwardFunction

OutputScore = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class FaithfulnessCurve:
    """The score (a class probability, or a number) over the share of values removed or inserted.

    Attributes:
        shares: Shares of the values, 0..1, shape (S + 1,).
        mean: Mean score over the examples, shape (S + 1,).
        areas: Area under each example's own curve, shape (N,).
    """

    shares: Tensor
    mean: Tensor
    areas: Tensor

    @property
    def area(self) -> float:
        """The mean area under the curve, 0..1."""
        return float(self.areas.mean())


def deletion(
    forward: ForwardFunction,
    x: Float[Tensor, " N *shape"],
    target: Int[Tensor, " N"],
    saliency: Float[Tensor, " N *places"],
    *,
    fill: float | Tensor = 0.0,
    steps: int = 20,
    batch: int = 1024,
) -> FaithfulnessCurve:
    """Return the curve while the most important values of ``x`` are replaced by ``fill``: a small area is good.

    Args:
        forward: Maps inputs to logits.
        x: Inputs.
        target: Classes to explain.
        saliency: Maps as ``capas.trust.explanations.saliency`` makes them.
        fill: One value, or a tensor that broadcasts over ``x``.
        steps: Points of the curve.
        batch: Perturbed inputs per forward pass.

    Raises:
        ValueError: The shapes disagree.
    """
    filled = torch.as_tensor(fill).to(x).expand_as(x)
    return interpolation_curve(_of_class(forward, target), x, filled, saliency, steps=steps, batch=batch)


def insertion(
    forward: ForwardFunction,
    x: Float[Tensor, " N *shape"],
    target: Int[Tensor, " N"],
    saliency: Float[Tensor, " N *places"],
    *,
    fill: float | Tensor = 0.0,
    steps: int = 20,
    batch: int = 1024,
) -> FaithfulnessCurve:
    """Return the curve while the most important values of ``x`` are put into ``fill``: a large area is good."""
    filled = torch.as_tensor(fill).to(x).expand_as(x)
    return interpolation_curve(_of_class(forward, target), filled, x, saliency, steps=steps, batch=batch)


@dataclass(frozen=True, kw_only=True, slots=True)
class AdvantageOverBrightness:
    """By how much (insertion − deletion) of a map exceeds that of brightness.

    Attributes:
        value: Mean over the examples.
        interval: 95 % bootstrap interval over the examples.
        n: Number of examples.
    """

    value: float
    interval: tuple[float, float]
    n: int

    @property
    def reliable(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.interval[0] > 0


def advantage_over_brightness(
    method: tuple[FaithfulnessCurve, FaithfulnessCurve],
    control: tuple[FaithfulnessCurve, FaithfulnessCurve],
    generator: torch.Generator,
    *,
    resamples: int = 2000,
) -> AdvantageOverBrightness:
    """Compare (deletion, insertion) of a ``method`` with those of ``control`` on the same examples.

    Raises:
        ValueError: The numbers of examples disagree.
    """
    gains = [insertion.areas - deletion.areas for deletion, insertion in (method, control)]
    if gains[0].shape != gains[1].shape or not len(gains[0]):
        raise ValueError(f"{len(gains[0])} examples against {len(gains[1])}")
    difference = (gains[0] - gains[1]).double().cpu()
    n = len(difference)
    drawn = torch.randint(0, n, (resamples, n), generator=generator, device=generator.device).cpu()
    low, high = difference[drawn].mean(1).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return AdvantageOverBrightness(value=float(difference.mean()), interval=(low, high), n=n)


def interpolation_curve(
    score: OutputScore,
    start: Float[Tensor, " N *shape"],
    end: Float[Tensor, " N *shape"],
    saliency: Float[Tensor, " N *places"],
    *,
    steps: int = 20,
    batch: int = 256,
) -> FaithfulnessCurve:
    """Return the score while ``start`` turns into ``end``, the most salient values first.

    Raises:
        ValueError: The shapes disagree.
    """
    shape = start.shape[:1] + start.shape[2:] if start.ndim == 4 else start.shape
    if saliency.shape != shape or steps < 1:
        raise ValueError(f"maps {tuple(saliency.shape)} for inputs {tuple(start.shape)}, {steps} steps")
    # Stable: among equals, the order of the places.
    order = saliency.flatten(1).sort(dim=1, descending=True, stable=True).indices
    position = order.argsort(1).reshape(shape)
    position = position.unsqueeze(1) if start.ndim == 4 else position
    rows, columns = torch.arange(len(start)), []
    with torch.no_grad():
        for step in range(steps + 1):
            inputs = torch.where(position < round(order.shape[1] * step / steps), end, start)
            parts = zip(torch.split(inputs, batch), torch.split(rows, batch), strict=True)
            columns.append(torch.cat([score(part, some) for part, some in parts]))
    scores = torch.stack(columns, dim=1)
    areas = torch.trapezoid(scores, dx=1 / steps, dim=1)
    return FaithfulnessCurve(shares=torch.linspace(0, 1, steps + 1), mean=scores.mean(0), areas=areas)


def _of_class(forward: ForwardFunction, target: Tensor) -> OutputScore:
    """The probability of each example's class."""
    return lambda inputs, rows: forward(inputs).softmax(1).gather(1, target[rows][:, None])[:, 0]
