"""Outlines of lines: an upper and a lower edge for each, along the least ink between a line and its neighbours.

An edge is a path from left to right, at most one row up or down per column, with the smallest sum of ink and of
distance from its usual position: dynamic programming, as in Avidan & Shamir, "Seam Carving for Content-Aware Image
Resizing", SIGGRAPH 2007, in the bands above and below all baselines at once.

Legend: N bands, C columns, R candidate rows in each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.archive.line_finding.maps import Singles
from capas.archive.line_finding.spacing import Floats

# How far a line usually reaches above and below its baseline, and the bands in which its edges may run, as shares of
# the distance between lines.
ABOVE: Final = (0.45, 0.78, 0.95)
BELOW: Final = (0.08, 0.27, 0.45)
ROWS: Final = 16
_PULL: Final = 0.35  # how much ink the whole way from the usual place to the band's edge weighs
_PER_SPACE: Final = 5  # columns of an edge in one distance between lines
_NEXT: Final = 0.2  # what is nearer is no neighbour but a piece of the same line
_OVER: Final = 0.25  # how far an outline goes on beyond its baseline's ends, in distances between lines


@dataclass(frozen=True, kw_only=True, slots=True)
class _Band:
    """Where an edge may run: at each of C ``columns`` R places down the page (``rows``, C×R) and what each costs."""

    columns: Floats
    rows: Floats
    costs: Floats


def line_outlines(ink: Singles, baselines: Sequence[Floats], spaces: Floats) -> list[Floats]:
    """Return the outline of each baseline, (P, 2), clockwise from its upper left corner; ``ink`` is (H, W)."""
    bands = [
        band
        for number, line in enumerate(baselines)
        for band in _bands(ink, line, number, baselines, float(spaces[number]))
    ]
    edges = [np.stack([band.columns, path], axis=1) for band, path in zip(bands, _paths(bands), strict=True)]
    return [np.concatenate([upper, lower[::-1]]) for upper, lower in zip(edges[::2], edges[1::2], strict=True)]


def _bands(ink: Singles, line: Floats, number: int, baselines: Sequence[Floats], space: float) -> tuple[_Band, _Band]:
    """Above and below a line."""
    first, last = max(0.0, line[0, 0] - _OVER * space), min(ink.shape[1] - 1.0, line[-1, 0] + _OVER * space)
    columns = np.linspace(first, max(last, first + 1), max(2, round((last - first) / max(1.0, space / _PER_SPACE)) + 1))
    base = np.interp(columns, line[:, 0], line[:, 1])
    above, below = _room(number, columns, base, baselines, space)
    upper = [-np.minimum(share * space, above) for share in ABOVE]
    lower = [np.minimum(share * space, below) for share in BELOW]
    return _band(ink, columns, base, upper), _band(ink, columns, base, lower)


def _room(
    number: int, columns: Floats, base: Floats, baselines: Sequence[Floats], space: float
) -> tuple[Floats, Floats]:
    """How far an outline may reach at each column: up to the nearest baseline above, and down to the bodies of the
    letters of the nearest one below."""
    above, below = np.full(len(columns), np.inf), np.full(len(columns), np.inf)
    low, high = base.min() - 2 * space, base.max() + 2 * space
    for other, line in enumerate(baselines):
        if other == number or line[0, 0] > columns[-1] or line[-1, 0] < columns[0]:
            continue
        if line[:, 1].max() < low or line[:, 1].min() > high:
            continue
        apart = base - np.interp(columns, line[:, 0], line[:, 1])
        there = (columns >= line[0, 0]) & (columns <= line[-1, 0])
        above = np.where(there & (apart > _NEXT * space), np.minimum(above, apart), above)
        below = np.where(there & (apart < -_NEXT * space), np.minimum(below, -0.6 * apart), below)
    return above, below


def _band(ink: Singles, columns: Floats, base: Floats, reach: Sequence[Floats]) -> _Band:
    """Around the usual place, ``reach[1]`` from the baseline, from ``reach[0]`` to ``reach[2]``."""
    near, usual, far = (one[:, None] for one in reach)
    offsets = near + (far - near) * np.linspace(0, 1, ROWS)
    rows = base[:, None] + offsets
    y = np.rint(rows).astype(np.int64).clip(0, ink.shape[0] - 1)
    x = np.rint(columns).astype(np.int64).clip(0, ink.shape[1] - 1)
    pull = np.abs(offsets - usual) / np.maximum(np.abs(far - near), 1e-3)
    return _Band(columns=columns, rows=rows, costs=ink[y, x[:, None]].clip(0, 3) + _PULL * pull)


def _paths(bands: Sequence[_Band]) -> list[Floats]:
    """The y of the cheapest path through each band, at most one row up or down per column."""
    if not bands:
        return []
    longest = max(len(band.columns) for band in bands)
    # What is added to the shorter ones costs nothing, so it does not change their paths.
    costs = np.stack([np.pad(band.costs, ((0, longest - len(band.costs)), (0, 0))) for band in bands])
    chosen = _cheapest(costs)
    return [
        band.rows[np.arange(len(band.rows)), rows[: len(band.rows)]] for band, rows in zip(bands, chosen, strict=True)
    ]


def _cheapest(costs: Floats) -> NDArray[np.int64]:
    """For N×C×R costs the row in each column, N×C."""
    count, columns, _ = costs.shape
    came = np.zeros(costs.shape, dtype=np.int8)
    total = costs[:, 0]
    edge = np.full((count, 1), np.inf)
    for column in range(1, columns):
        padded = np.concatenate([edge, total, edge], axis=1)
        choices = np.stack([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]])
        came[:, column] = choices.argmin(axis=0) - 1
        total = choices.min(axis=0) + costs[:, column]
    path, every = np.empty((count, columns), dtype=np.int64), np.arange(count)
    path[:, -1] = total.argmin(axis=1)
    for column in range(columns - 1, 0, -1):
        path[:, column - 1] = path[:, column] + came[every, column, path[:, column]]
    return path
