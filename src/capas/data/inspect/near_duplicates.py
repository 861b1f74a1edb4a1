"""Near duplicates: the same image saved, scaled or lit a little differently, found on 16×16 grey thumbnails.

Each pixel of a thumbnail is the mean of its area. Two images are near duplicates when their thumbnails correlate (mean
removed, L2-normalised) at 0.995 or more *and* differ by at most 28 grey levels (root mean square): the second condition
tells a faint image from a strong one of the same shape. Measured on 60 photographs (CamVid): JPEG at quality 30,
scaling to a quarter, 10 % more brightness and 15 % more contrast all stay at 0.997 or above. Of the 12.5 million pairs
among 5,000 MNIST digits none reaches 0.99; of the 50 million among Fashion-MNIST's 10,000 test images 13 reach 0.995.
Not found: cropped copies, 20 % more brightness where it clips (0.989), and rescaled copies of images below some 32
pixels (28×28 digits at half size: 0.73 to 0.9), whose thumbnails are made of too few pixels.

No list of all pairs is kept: 10,000 pictures of a fixed camera have 50 million. What is kept grows with the number of
images: of each image its cluster, how many others it is alike to, and the first of them in each part of the dataset.

Images are compared in blocks, which hold what lies together along the principal components. Of many pairs of blocks the
box and the ball around each tell that none of their images can be alike (unit vectors that correlate at 0.995 lie
within 0.1 of each other), or that all must be: neither are compared. The others are compared along the first 48
components: what the rest could add to a correlation is at most the product of the rests' lengths (Cauchy–Schwarz).
"""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import compress
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

THUMBNAIL_SIDE: Final = 16
MIN_CORRELATION: Final = 0.995
MAX_RMS_DIFFERENCE: Final = 28.0
_MIN_CONTRAST: Final = 4.0  # below this standard deviation, in grey levels, a thumbnail is noise on an even ground
_MAX_DISTANCE: Final = (2 - 2 * MIN_CORRELATION) ** 0.5  # of the unit vectors of near duplicates
_MAX_PIXEL_DISTANCE: Final = MAX_RMS_DIFFERENCE * THUMBNAIL_SIDE
_ROUNDING: Final = 1e-3  # more than float32 can be wrong by in these distances
_BLOCK: Final = 512
_COLUMN_BLOCKS: Final = 8
_COMPONENTS: Final = 48
_CHUNK: Final = 4096
_PAIRS: Final = 2048  # whose pixels are compared at a time: each takes 4 kB

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class NearDuplicates:
    """Near duplicates among N images, in memory that grows with N.

    Attributes:
        pairs: Some of the near-duplicate pairs, (P, 2), first < second, sorted: those of each image with its leader,
            and with the first image of each part that it is alike to.
        clusters: The first image of each image's cluster, (N,). A cluster holds all that a chain of pairs joins.
        counts: The number of images that each is alike to, (N,).
        leaders: (N,). In order, an image without a leader leads itself and all later ones without a leader that it is
            alike to.
    """

    pairs: Indices
    clusters: Indices
    counts: Indices
    leaders: Indices

    @staticmethod
    def none(images: int) -> "NearDuplicates":
        """Return that no image is alike to another."""
        return NearDuplicates(
            pairs=np.empty((0, 2), dtype=np.int64), clusters=np.arange(images), counts=np.zeros(images, dtype=np.int64),
            leaders=np.arange(images),
        )  # fmt: skip

    def placed(self, places: Indices, images: int) -> "NearDuplicates":
        """Return the same for a collection of ``images`` of which these are the ones at ``places`` (ascending)."""
        whole = NearDuplicates.none(images)
        for own, held in ((whole.clusters, places[self.clusters]), (whole.leaders, places[self.leaders])):
            own[places] = held
        whole.counts[places] = self.counts
        return NearDuplicates(
            pairs=places[self.pairs], clusters=whole.clusters, counts=whole.counts, leaders=whole.leaders
        )


def grey_image(image: NDArray[np.uint8]) -> Image.Image:
    """Return the brightness of uint8 (H, W, C), C = 1 or 3, as a Pillow image (mode "L")."""
    return Image.fromarray(image[..., 0]) if image.shape[2] == 1 else Image.fromarray(image).convert("L")


def thumbnail(grey: Image.Image) -> NDArray[np.uint8]:
    """Reduce a grey image to uint8 (16, 16), each pixel the mean of its area; the aspect ratio is ignored."""
    # reduce() averages the same way and is several times faster on large pictures.
    factor = max(1, min(grey.width, grey.height) // (4 * THUMBNAIL_SIDE))
    small = grey.reduce(factor) if factor > 1 else grey
    return np.asarray(small.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX), dtype=np.uint8)


def find_near_duplicates(thumbnails: NDArray[np.uint8], parts: Sequence[Hashable] | None = None) -> NearDuplicates:
    """Find the near duplicates among thumbnails (N, 16, 16).

    Args:
        thumbnails: uint8 (N, 16, 16).
        parts: The part of the dataset that each belongs to (its split); one part if None.
    """
    total = len(thumbnails)
    names = {name: place for place, name in enumerate(dict.fromkeys(parts or ()))}
    part = np.zeros(total, dtype=np.int64) if parts is None else np.array([names[name] for name in parts])
    with _one_thread():
        images = _Images(thumbnails)
        found = _search(images, _Found(part, max(1, len(names))))
        leaders = _cluster_leaders(images, found.clusters)
    return NearDuplicates(pairs=found.pairs(leaders), clusters=found.clusters, counts=found.counts, leaders=leaders)


@contextmanager
def _one_thread() -> Iterator[None]:
    """The products here are small: with the cores of a busy machine, ten times the time goes into waiting."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=1, user_api="blas"):
        yield


def _search(images: "_Images", found: "_Found") -> "_Found":
    blocks = images.blocks()
    for i, block in enumerate(blocks):
        found.add(block.rows, block.rows, images.alike(block.rows, block.rows))
        near = [other for other in blocks[i + 1 :] if block.may_be_alike(other)]
        whole = [block.all_alike(other) for other in near]
        for other in compress(near, whole):
            found.add_all(block.rows, other.rows)
        others = [other.rows for other, all_alike in zip(near, whole, strict=True) if not all_alike]
        for start in range(0, len(others), _COLUMN_BLOCKS):
            columns = np.sort(np.concatenate(others[start : start + _COLUMN_BLOCKS]))
            found.add(block.rows, columns, images.alike(block.rows, columns))
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Block:
    """Some images: their ``rows`` (ascending), the box that holds their principal components, from ``low`` to ``high``,
    and the balls that hold their unit vectors and their pixels."""

    rows: Indices
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    centre: NDArray[np.float32]
    radius: float
    pixel_centre: NDArray[np.float32]
    pixel_radius: float

    def may_be_alike(self, other: "_Block") -> bool:
        """Return False where no image of this block can be alike to one of the other."""
        gaps = np.maximum(self.low - other.high, other.low - self.high).clip(min=0)
        return float(gaps @ gaps) <= (_MAX_DISTANCE + _ROUNDING) ** 2

    def all_alike(self, other: "_Block") -> bool:
        """Return True only where every image of this block is alike to every one of the other."""
        apart = float(np.linalg.norm(self.centre - other.centre)) + self.radius + other.radius
        pixels_apart = float(np.linalg.norm(self.pixel_centre - other.pixel_centre))
        pixels_apart += self.pixel_radius + other.pixel_radius
        return apart <= _MAX_DISTANCE - _ROUNDING and pixels_apart <= _MAX_PIXEL_DISTANCE - _ROUNDING


class _Images:
    """Thumbnails, compared by their principal components first.

    ``_bounds`` (N, K + 1) are the first K components of the unit vectors and the length of the rest: the products of
    its rows are no less than the correlations.
    """

    def __init__(self, thumbnails: NDArray[np.uint8]) -> None:
        self._pixels = thumbnails.reshape(len(thumbnails), -1)
        chunks = [slice(start, start + _CHUNK) for start in range(0, len(thumbnails), _CHUNK)]
        pixels = self._pixels.shape[1]
        total, products = np.zeros(pixels, np.float32), np.zeros((pixels, pixels), np.float32)
        for chunk in chunks:
            unit = self._unit(chunk)
            total += unit.sum(axis=0)
            products += unit.T @ unit
        mean = total / np.float32(max(1, len(thumbnails)))
        _, directions = np.linalg.eigh(products / np.float32(max(1, len(thumbnails))) - mean[:, None] * mean)
        directions = directions[:, -_COMPONENTS:]
        self._bounds = np.zeros((len(thumbnails), _COMPONENTS + 1), np.float32)
        for chunk in chunks:
            unit = self._unit(chunk)
            self._bounds[chunk, :-1] = unit @ directions
            self._bounds[chunk, -1] = np.linalg.norm(unit - self._bounds[chunk, :-1] @ directions.T, axis=1)

    def blocks(self) -> list[_Block]:
        """Return blocks of the images that are not even."""
        components = self._bounds[:, :-1]
        uneven = np.flatnonzero(self._bounds.any(axis=1))
        return [self._block(rows, components[rows]) for rows in _divided(uneven, components)] if len(uneven) else []

    def _block(self, rows: Indices, components: NDArray[np.float32]) -> _Block:
        unit, pixels = self._unit(rows), self._pixels[rows].astype(np.float32)
        centre, pixel_centre = unit.mean(axis=0), pixels.mean(axis=0)
        return _Block(
            rows=rows, low=components.min(axis=0), high=components.max(axis=0),
            centre=centre, radius=float(np.linalg.norm(unit - centre, axis=1).max()),
            pixel_centre=pixel_centre, pixel_radius=float(np.linalg.norm(pixels - pixel_centre, axis=1).max()),
        )  # fmt: skip

    def _unit(self, places: Indices | slice) -> NDArray[np.float32]:
        """Return the unit vectors at ``places``; zero for an even picture, which correlates with nothing."""
        centred = self._pixels[places].astype(np.float32)
        centred -= centred.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(centred, axis=1, keepdims=True)
        centred *= np.where(norms >= _MIN_CONTRAST * THUMBNAIL_SIDE, 1 / np.maximum(norms, 1e-6), 0)
        return centred

    def alike(self, rows: Indices, columns: Indices) -> NDArray[np.bool_]:
        """Return which images at ``rows`` are near duplicates of which at ``columns``, or the same."""
        bounds = self._bounds[rows] @ self._bounds[columns].T
        alike = np.zeros(bounds.shape, dtype=bool)
        if bounds.max(initial=0) < MIN_CORRELATION - _ROUNDING:
            return alike
        possible = bounds >= MIN_CORRELATION - _ROUNDING
        if 50 * np.count_nonzero(possible) > possible.size:
            return self._all_pairs(rows, columns)
        first, second = possible.nonzero()
        alike[first, second] = self._single_pairs(rows[first], columns[second])
        return alike

    def _all_pairs(self, rows: Indices, columns: Indices) -> NDArray[np.bool_]:
        correlated = (self._unit(rows) @ self._unit(columns).T) >= MIN_CORRELATION
        a, b = self._pixels[rows].astype(np.float32), self._pixels[columns].astype(np.float32)
        # |a − b|² = (|a|² − ab) + (|b|² − ab): all of these are whole numbers below 2²⁴, which float32 holds.
        product = a @ b.T
        squares = (np.square(a).sum(axis=1)[:, None] - product) + (np.square(b).sum(axis=1) - product)
        alike: NDArray[np.bool_] = correlated & (squares <= _MAX_PIXEL_DISTANCE**2)
        return alike

    def _single_pairs(self, rows: Indices, columns: Indices) -> NDArray[np.bool_]:
        starts = range(0, len(rows), _PAIRS)
        parts = [self._few_pairs(rows[i : i + _PAIRS], columns[i : i + _PAIRS]) for i in starts]
        return np.concatenate([np.empty(0, dtype=bool), *parts])

    def _few_pairs(self, rows: Indices, columns: Indices) -> NDArray[np.bool_]:
        correlated = (self._unit(rows) * self._unit(columns)).sum(axis=1) >= MIN_CORRELATION
        squares = np.square(self._pixels[rows].astype(np.float32) - self._pixels[columns]).sum(axis=1)
        alike: NDArray[np.bool_] = correlated & (squares <= _MAX_PIXEL_DISTANCE**2)
        return alike


def _divided(rows: Indices, components: NDArray[np.float32]) -> list[Indices]:
    """Divide ``rows`` in halves along the component in which they differ most, until each part is a block."""
    if len(rows) <= _BLOCK:
        return [np.sort(rows)]
    own = components[rows]
    order = np.argsort(own[:, own.std(axis=0).argmax()], kind="stable")
    halves = rows[order[: len(rows) // 2]], rows[order[len(rows) // 2 :]]
    return [part for half in halves for part in _divided(half, components)]


class _Found:
    """What has been found so far.

    Args:
        part: Number of the part of each image, (N,).
        parts: Number of parts.
    """

    def __init__(self, part: Indices, parts: int) -> None:
        self.clusters: Indices = np.arange(len(part))
        self.counts = np.zeros(len(part), dtype=np.int64)
        self._part = part
        self._first = np.full((parts, len(part)), len(part))  # per part and image the first that it is alike to

    def add(self, rows: Indices, columns: Indices, alike: NDArray[np.bool_]) -> None:
        """Add that the images at ``rows`` are ``alike`` to those at ``columns``: disjoint blocks, or the same."""
        if rows is columns:
            np.fill_diagonal(alike, False)
        if not alike.any():
            return
        self._add_partners(rows, columns, alike)
        if rows is not columns:
            self._add_partners(columns, rows, np.ascontiguousarray(alike.T))
        # The first partners join nearly everything: only few of the other pairs are looked at.
        some = alike.any(axis=1)
        self._join(rows[some], columns[alike[some].argmax(axis=1)])
        if len(set(self.clusters[rows].tolist()) | set(self.clusters[columns].tolist())) > 1:
            first, second = (alike & (self.clusters[rows][:, None] != self.clusters[columns])).nonzero()
            self._join(rows[first], columns[second])

    def add_all(self, rows: Indices, columns: Indices) -> None:
        """Add that all images at ``rows`` are alike to all at ``columns``, two disjoint blocks."""
        for own, others in ((rows, columns), (columns, rows)):
            self.counts[own] += len(others)
            for number, first in enumerate(self._first):
                held = others[self._part[others] == number]
                first[own] = np.minimum(first[own], held[0] if len(held) else len(first))
            self._join(own, np.full_like(own, others[0]))

    def _add_partners(self, rows: Indices, columns: Indices, alike: NDArray[np.bool_]) -> None:
        self.counts[rows] += np.count_nonzero(alike, axis=1)
        for number, first in enumerate(self._first):
            own = self._part[columns] == number
            inside = alike if own.all() else alike[:, own]
            some = inside.any(axis=1)
            if some.any():
                first[rows[some]] = np.minimum(first[rows[some]], columns[own][inside[some].argmax(axis=1)])

    def _join(self, first: Indices, second: Indices) -> None:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        if (self.clusters[first] == self.clusters[second]).all():
            return
        joined, ends = np.unique(self.clusters[np.stack([first, second])], return_inverse=True)
        ends = ends.reshape(2, -1)
        links = coo_array((np.ones(ends.shape[1], np.int8), (ends[0], ends[1])), shape=(len(joined), len(joined)))
        count, groups = connected_components(links, directed=False)
        smallest = np.full(count, len(self.clusters))
        np.minimum.at(smallest, groups, joined)
        renamed: Indices = np.arange(len(self.clusters))
        renamed[joined] = smallest[groups]
        self.clusters = renamed[self.clusters]

    def pairs(self, leaders: Indices) -> Indices:
        """Return the pairs that are kept, see ``NearDuplicates``."""
        everyone = np.arange(len(leaders))
        ends = np.stack([np.concatenate([*self._first, leaders]), np.tile(everyone, len(self._first) + 1)], axis=1)
        ends = np.sort(ends[(ends[:, 0] < len(leaders)) & (ends[:, 0] != ends[:, 1])], axis=1)
        return np.unique(ends, axis=0)


def _cluster_leaders(images: _Images, clusters: Indices) -> Indices:
    """The leader of each image, see ``NearDuplicates``."""
    leaders = np.arange(len(clusters))
    order = np.argsort(clusters, kind="stable")
    sizes = np.bincount(clusters, minlength=len(clusters))
    ends = np.cumsum(sizes)
    for first in np.flatnonzero(sizes > 1).tolist():
        members = order[ends[first] - sizes[first] : ends[first]]
        leaders[members] = first if len(members) == 2 else members[_leaders(images, members)]
    return leaders


def _leaders(images: _Images, members: Indices) -> Indices:
    """The leaders of the images of one cluster, as places in ``members``."""
    leaders = np.full(len(members), -1)
    for start in range(0, len(members), _BLOCK):
        here = start + np.flatnonzero(leaders[start : start + _BLOCK] < 0)
        alike = images.alike(members[here], members[here])
        for place, leader in enumerate(here.tolist()):
            if leaders[leader] < 0:
                leaders[leader] = leader
                led = here[place + 1 :][alike[place, place + 1 :]]
                leaders[led[leaders[led] < 0]] = leader
        leading = here[leaders[here] == here]
        for later in range(start + _BLOCK, len(members), _BLOCK) if len(leading) else ():
            left = later + np.flatnonzero(leaders[later : later + _BLOCK] < 0)
            alike = images.alike(members[leading], members[left])
            some = alike.any(axis=0)
            leaders[left[some]] = leading[alike[:, some].argmax(axis=0)]
    return leaders
