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
(Adebayo et al. discuss it for MNIST). ``mask`` leaves places out.
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
    forward: ForwardFunction,
    x: Float[Tensor, " N *shape"],
    target: Int[Tensor, " N"],
    saliency: Float[Tensor, " N *places"],
    *,
    fill: float | Tensor = 0.0,
    steps: int = 20,
    batch: int = 1024,
) -> FaithfulnessCurve:
    """The curve while the most important values of ``x`` are replaced by ``fill``: a small area is good.

    ``saliency`` as ``capas.trust.explanations.saliency`` makes it; ``fill`` is one value or broadcasts over ``x``; ``batch`` counts
    changed inputs. Raises ValueError when the shapes disagree.
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
    """The curve while the most important values of ``x`` are put into ``fill``: a large area is good."""
    filled = torch.as_tensor(fill).to(x).expand_as(x)
    return interpolation_curve(_of_class(forward, target), filled, x, saliency, steps=steps, batch=batch)


@dataclass(frozen=True, kw_only=True, slots=True)
class AdvantageOverBrightness:
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


def advantage_over_brightness(
    method: tuple[FaithfulnessCurve, FaithfulnessCurve],
    control: tuple[FaithfulnessCurve, FaithfulnessCurve],
    generator: torch.Generator,
    *,
    resamples: int = 2000,
) -> AdvantageOverBrightness:
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
    """The score while ``start`` turns into ``end``, the most salient values first. Raises ValueError when the shapes
    disagree."""
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
