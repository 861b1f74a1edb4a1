"""Baseline detection metrics as in cBAD: precision, recall and F of detected text lines.

Grüning, Labahn, Diem, Kleber & Fiel, "READ-BAD: A New Dataset and Evaluation Scheme for Baseline Detection in Archival
Documents", DAS 2018 (arXiv:1705.03311); Diem et al., "cBAD: ICDAR2017 Competition on Baseline Detection", ICDAR 2017.

Every baseline is resampled to points one pixel apart, and each reference line g has a tolerance t: a quarter of its
distance to the lines above and below. A point is as far from a line as its nearest point there, d; it counts

    1 where d ≤ t,  (3t − d) / 2t where t < d < 3t,  0 beyond,

and the coverage COV(p, g, t) of a line p by g is the mean over the points of p. Recall is the mean over reference lines
of the coverage of each by all detected ones. Precision: each detected line is assigned to at most one reference line,
the pairs chosen from the highest coverage down, and precision is the mean of COV(detected, its reference line) over all
that was detected: a line that is split is found whole but costs precision.

Where we deviate: the paper's tolerance looks through oriented neighbourhoods; here the nearest line above or below a
line's points counts, of those that overlap it across the page, and the page's median where there is none.

Legend: P points.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TOLERANCE: Final = 0.25  # of the distance between lines
_LONE: Final = 20.0  # pixels, where a page has one line alone


@dataclass(frozen=True, kw_only=True, slots=True)
class PageBaselineMetrics:
    """The metrics of one page, in [0, 1]: ``precisions`` of each detected, ``recalls`` of each reference line."""

    precisions: tuple[float, ...]
    recalls: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class BaselineDetectionMetrics:
    """Means over pages of precision and of recall, and their harmonic mean ``f``, in [0, 1]."""

    precision: float
    recall: float
    f: float


def page_baseline_metrics(true: Sequence[Floats], found: Sequence[Floats]) -> PageBaselineMetrics:
    """Compare the baselines of a page, each (P, 2) points in pixels."""
    real, said = [resample_polyline(line) for line in true], [resample_polyline(line) for line in found]
    within = line_tolerances(real)
    precisions, taken = [0.0] * len(said), set[int]()
    covered = np.array([[covered_share(p, g, t) for g, t in zip(real, within, strict=True)] for p in said])
    for place in (-covered).argsort(axis=None, kind="stable"):
        i, j = divmod(int(place), len(real))
        if covered[i, j] > 0 and precisions[i] == 0 and j not in taken:
            precisions[i] = float(covered[i, j])
            taken.add(j)
    every = np.concatenate(said) if said else np.zeros((0, 2))
    recalls = tuple(covered_share(g, every, t) for g, t in zip(real, within, strict=True))
    return PageBaselineMetrics(precisions=tuple(precisions), recalls=recalls)


def baseline_detection_metrics(pages: Sequence[PageBaselineMetrics]) -> BaselineDetectionMetrics:
    """Average over pages, each counting alike.

    A page without reference lines has recall 1, one without detected lines precision 1.

    Raises:
        ValueError: There are no pages.
    """
    if not pages:
        raise ValueError("no pages")
    precision = float(np.mean([np.mean(page.precisions) if page.precisions else 1.0 for page in pages]))
    recall = float(np.mean([np.mean(page.recalls) if page.recalls else 1.0 for page in pages]))
    f = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return BaselineDetectionMetrics(precision=precision, recall=recall, f=f)


def resample_polyline(line: Floats) -> Floats:
    """Return points about one pixel apart along a polyline, both ends among them."""
    run = np.concatenate([[0.0], np.hypot(*np.diff(line, axis=0).T).cumsum()])
    at = np.linspace(0, run[-1], max(2, round(float(run[-1])) + 1))
    return np.stack([np.interp(at, run, line[:, i]) for i in (0, 1)], axis=1)


def covered_share(points: Floats, line: Floats, tolerance: float) -> float:
    """Return the coverage of ``points`` (P, 2) by the points of ``line``, 0 where it has none."""
    if not len(line):
        return 0.0
    reach = 3 * tolerance
    near = line[_may_be_near(points, line, reach)]
    if not len(near):
        return 0.0
    apart = np.concatenate([
        np.hypot(*(part[:, None] - near).transpose(2, 0, 1)).min(axis=1)
        for part in np.array_split(points, max(1, len(points) // 512))
    ])  # fmt: skip
    return float(((reach - apart) / (2 * tolerance)).clip(0, 1).mean())


def _may_be_near(points: Floats, line: Floats, reach: float) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = ((line >= points.min(axis=0) - reach) & (line <= points.max(axis=0) + reach)).all(
        axis=1
    )
    return inside


def line_tolerances(lines: Sequence[Floats]) -> list[float]:
    """Return each line's tolerance in pixels, for resampled ``lines``."""
    apart = [_apart(line, [other for j, other in enumerate(lines) if j != i]) for i, line in enumerate(lines)]
    known = [one for one in apart if np.isfinite(one)]
    usual = float(np.median(known)) if known else _LONE / TOLERANCE
    return [TOLERANCE * min(one, usual) if np.isfinite(one) else TOLERANCE * usual for one in apart]


def _apart(line: Floats, others: Sequence[Floats]) -> float:
    """The distance, down the page, to the nearest of the others; infinite where none is above or below."""
    nearest, (left, right) = np.inf, (line[:, 0].min(), line[:, 0].max())
    for other in others:
        first, last = max(left, other[:, 0].min()), min(right, other[:, 0].max())
        if last - first < 0.3 * min(right - left, np.ptp(other[:, 0])) or last <= first:
            continue
        at = np.linspace(first, last, 9)
        apart = float(np.abs(_heights(line, at) - _heights(other, at)).mean())
        nearest = min(nearest, apart) if apart > 0 else nearest
    return nearest


def _heights(line: Floats, x: Floats) -> Floats:
    order = line[:, 0].argsort(kind="stable")
    heights: Floats = np.interp(x, line[order, 0], line[order, 1])
    return heights
