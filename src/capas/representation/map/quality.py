"""How far a map can be believed: how much of the neighbourhoods of the vectors it keeps.

Venna & Kaski, "Neighborhood Preservation in Nonlinear Projection Methods: An Experimental Study", ICANN 2001, eqs. 1
and 2. With U the points that are among the k nearest of i on the map without being so among the vectors, V the points
for which it is the other way round, and r the rank of j among the vectors, r' on the map (nearest: 1):

    trustworthiness = 1 − 2 / (n k (2n − 3k − 1)) Σ_i Σ_{j ∈ U} (r(i, j) − k)
    continuity      = 1 − 2 / (n k (2n − 3k − 1)) Σ_i Σ_{j ∈ V} (r'(i, j) − k)

The mean over points of one minus their part of the sum, so that a sample of the points estimates it, with an interval.
Preservation is the mean share of the k nearest on the map that are also among the k nearest vectors. Vectors at the
same distance count for the map: a rank is one more than the number of vectors that are strictly nearer. Points at the
same distance on the map, of vectors at different ones, count against it: a map with all points in one place keeps
nothing.

Shapes: N points, D dimensions, Q points asked, K neighbours.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from capas.core.rng import derive_seed
from capas.metrics.bootstrap import mean_with_interval
from capas.metrics.rate import Rate

NEIGHBOURS: Final = 15
EXACT_UP_TO: Final = 5_000  # points; of more, a sample is asked
SAMPLE: Final = 2_000
BLOCK_CELLS: Final = 2_000_000  # distances in memory at once: 8 MB in float32, about 6 such arrays


@dataclass(frozen=True, kw_only=True, slots=True)
class MapQuality:
    """What a map keeps of the neighbourhoods.

    Attributes:
        neighbours: K.
        asked: Q, the number of points whose neighbourhoods were compared.
        points: N.
        trustworthiness: Low where points are near on the map that are far apart in truth. Without interval where all
            points were asked: then it is no estimate.
        continuity: Low where points are far apart on the map that are near in truth.
        preserved: Share of the K nearest of a point that are among its K nearest on the map; the same as the share of
            its K nearest on the map that belong there.
        by_chance: What ``preserved`` would be with points placed at random.
    """

    neighbours: int
    asked: int
    points: int
    trustworthiness: Rate
    continuity: Rate
    preserved: Rate
    by_chance: float

    def as_json(self) -> dict[str, object]:
        """Return the fields as ``--json`` prints them."""
        return {
            "neighbours": self.neighbours, "points": self.points, "asked": self.asked,
            "trustworthiness": self.trustworthiness.as_json(), "continuity": self.continuity.as_json(),
            "preserved": self.preserved.as_json(), "by_chance": round(self.by_chance, 6),
        }  # fmt: skip


def neighbours_for(points: int) -> int:
    """Return K for so many points: 15, fewer where there are hardly more points; 0 where there is none to compare.

    >>> neighbours_for(1000), neighbours_for(10), neighbours_for(2)
    (15, 4, 0)
    """
    return max(0, min(NEIGHBOURS, (points - 1) // 2))  # the formula needs K < N / 2


def map_qualities(
    vectors: NDArray[np.floating], maps: Sequence[NDArray[np.floating]], *, seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[MapQuality]:  # fmt: skip
    """Compare the neighbourhoods of vectors with those of each map of them; empty with fewer than three points.

    Args:
        vectors: Shape (N, D), of length one: the nearest are those of the largest cosine.
        maps: Positions, each of shape (N, 2).
        seed: Draws the points that are asked where there are more than ``EXACT_UP_TO``, and the intervals.
        progress: Called with (done, total) points.
    """
    points, k = len(vectors), neighbours_for(len(vectors))
    if k == 0:
        return []
    rng = np.random.default_rng(derive_seed(seed, "map-quality"))
    asked = np.arange(points) if points <= EXACT_UP_TO else np.sort(rng.choice(points, SAMPLE, replace=False))
    step = max(1, BLOCK_CELLS // points)
    found: list[list[NDArray[np.float64]]] = [[] for _ in maps]
    for start in range(0, len(asked), step):
        progress(start, len(asked))
        rows = asked[start : start + step]
        true_distances = _without_self(1 - vectors[rows] @ vectors.T, rows)
        nearest = _nearest(true_distances, k)
        for one, positions in zip(found, maps, strict=True):
            distances = _without_self(_squared_distances(positions, rows), rows)
            one.append(_of_points(true_distances, nearest, distances, k))
    progress(len(asked), len(asked))
    sampled = len(asked) < points
    return [_quality(np.concatenate(one, axis=1), k, points, seed if sampled else None) for one in found]


def _squared_distances(positions: NDArray[np.floating], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    x, y = np.asarray(positions, np.float32).T
    return np.asarray((x[rows, None] - x) ** 2 + (y[rows, None] - y) ** 2, np.float32)


def _without_self(distances: NDArray[np.floating], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    distances[np.arange(len(rows)), rows] = np.inf
    return np.asarray(distances, np.float32)


def _nearest(distances: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The K nearest of each point, shape (Q, K), in any order."""
    return np.argpartition(distances, k - 1, axis=1)[:, :k]


def _ranks(distances: NDArray[np.float32], of: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ranks of the points ``of`` (Q, K) by distance, shape (Q, K); the nearest is 1."""
    values = np.take_along_axis(distances, of, axis=1)
    return np.stack([(distances < values[:, j, None]).sum(axis=1) + 1 for j in range(of.shape[1])], axis=1)


def _of_points(
    true_distances: NDArray[np.float32], nearest: NDArray[np.int64], distances: NDArray[np.float32], k: int
) -> NDArray[np.float64]:
    """For each point asked: ranks too many of intruders, of those that are missing, and the share kept; (3, Q)."""
    true_ranks = _ranks(true_distances, _nearest(distances, k))
    ranks = _ranks(distances, nearest)
    for j in range(k):
        of = nearest[:, j, None]
        same = distances == np.take_along_axis(distances, of, axis=1)
        ranks[:, j] += (same & (true_distances != np.take_along_axis(true_distances, of, axis=1))).sum(axis=1)
    return np.stack([
        np.maximum(0, true_ranks - k).sum(axis=1), np.maximum(0, ranks - k).sum(axis=1),
        (true_ranks <= k).mean(axis=1),
    ]).astype(np.float64)  # fmt: skip


def _quality(of_points: NDArray[np.float64], k: int, points: int, seed: int | None) -> MapQuality:
    scale = 2 / (k * (2 * points - 3 * k - 1))
    intruders, missing, kept = of_points
    trust, continuity, preserved = (
        _mean(values, seed) for values in (1 - scale * intruders, 1 - scale * missing, kept)
    )
    return MapQuality(
        neighbours=k, asked=of_points.shape[1], points=points, trustworthiness=trust, continuity=continuity,
        preserved=preserved, by_chance=k / (points - 1),
    )  # fmt: skip


def _mean(values: NDArray[np.float64], seed: int | None) -> Rate:
    """The mean; with an interval where the values are those of a sample, drawn with ``seed``."""
    if seed is None:
        return Rate(value=float(values.mean()), n=len(values), interval=(math.nan, math.nan))
    return mean_with_interval(torch.from_numpy(np.ascontiguousarray(values)), seed=seed)
