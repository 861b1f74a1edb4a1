"""Expected calibration error where many probabilities belong to one example and depend on each other.

The error is that of ``capas.metrics.calibration`` (bins of equal count, weighted mean gap), but the bootstrap resamples
whole examples: the pixels of one image are not independent, and an interval that took them for such would be far too
narrow (Cameron, Gelbach & Miller, "Bootstrap-Based Improvements for Inference with Clustered Errors", 2008).

By chance: what a perfectly calibrated model would show. Its gaps y − p have mean 0 in every bin and keep their
dependence within an example: each example's centred gaps get a random sign (the wild bootstrap of the same paper). Only
sums by example and bin are needed, so a draw costs examples × bins, however many probabilities there are.

Shapes: S probabilities of one example, G examples, B bins, R draws.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from capas.metrics.calibration import BINS, CalibrationError, CalibrationMetric, ReliabilityBin
from capas.metrics.rate import Rate
from capas.trust.subjects.structured import CalibrationSamples

_ENDS = (0.025, 0.975)


def clustered_calibration_error(
    samples: Sequence[CalibrationSamples], rng: torch.Generator, *, bins: int = BINS, draws: int = 1000
) -> CalibrationError:
    """Return the calibration error of G examples with its reliability bins; the interval is a basic bootstrap over
    examples.

    Raises:
        ValueError: There is no probability at all.
    """
    own = torch.cat([torch.full((len(one.confidence),), g, dtype=torch.long) for g, one in enumerate(samples)])
    p = torch.cat([one.confidence for one in samples]).double()
    y = torch.cat([one.correct for one in samples]).double()
    if not len(p):
        raise ValueError("no statements; expected one or more")
    bin_of = torch.empty(len(p), dtype=torch.long)
    for b, part in enumerate(p.argsort(stable=True).tensor_split(bins)):
        bin_of[part] = b
    cell, shape = own * bins + bin_of, (len(samples), bins)

    def sums(values: Tensor) -> Float[Tensor, "G B"]:
        return torch.zeros(shape[0] * bins, dtype=torch.float64).index_add_(0, cell, values).view(shape)

    stated, true, count = sums(p), sums(y), sums(torch.ones_like(p))
    return _with_intervals(stated, true, count, _ranges(p, bin_of, bins), rng, draws)


def _with_intervals(
    stated: Tensor, true: Tensor, count: Tensor, ranges: Sequence[tuple[float, float]], rng: torch.Generator, draws: int
) -> CalibrationError:
    """From sums by example and bin, (G, B) each."""
    n, examples, ends = count.sum(), len(count), torch.tensor(_ENDS, dtype=torch.float64)
    gaps = true - stated
    value = float(gaps.sum(0).abs().sum() / n)
    drawn = torch.randint(examples, (draws, examples), generator=rng)
    times = torch.zeros(draws, examples, dtype=torch.float64)
    times.scatter_add_(1, drawn, torch.ones(draws, examples, dtype=torch.float64))
    found = (times @ gaps).abs().sum(1) / (times @ count).sum(1)
    low, high = (min(1.0, max(0.0, 2 * value - end)) for end in found.quantile(ends).flip(0).tolist())
    centred = gaps - count * (gaps.sum(0) / count.sum(0).clamp(min=1))
    signs = torch.randint(2, (draws, examples), generator=rng).double() * 2 - 1
    chance = ((signs @ centred).abs().sum(1) / n).quantile(0.95)
    shares = (times @ true) / (times @ count)
    return CalibrationError(
        error=CalibrationMetric(value=value, n=int(n), interval=(min(low, value), max(high, value))),
        by_chance=float(chance),
        bins=tuple(
            ReliabilityBin(
                low=a,
                high=z,
                confidence=float(stated[:, b].sum() / count[:, b].sum()),
                observed=_rate(true[:, b].sum() / count[:, b].sum(), int(count[:, b].sum()), shares[:, b], ends),
            )
            for b, (a, z) in enumerate(ranges)
        ),
    )


def _rate(value: Tensor, n: int, drawn: Tensor, ends: Tensor) -> Rate:
    # A bin may be empty in a draw.
    low, high = drawn[~drawn.isnan()].quantile(ends).tolist()
    return Rate(value=float(value), n=n, interval=(min(low, float(value)), max(high, float(value))))


def _ranges(p: Tensor, bin_of: Tensor, bins: int) -> list[tuple[float, float]]:
    """The least and greatest probability of every bin; fewer statements than bins leave the last ones out."""
    held = [p[bin_of == b] for b in range(bins)]
    return [(float(part.min()), float(part.max())) for part in held if len(part)]
