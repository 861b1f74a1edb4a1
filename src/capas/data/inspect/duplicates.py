"""Duplicate images: the same bytes, or the same image saved, scaled or lit a little differently.

Near duplicates are found on 16×16 grey thumbnails, each pixel the mean of its area. Two images are near duplicates when
their thumbnails correlate (mean removed, L2-normalised) at 0.995 or more *and* differ by at most 28 grey levels (root
mean square): the second condition tells a faint image from a strong one of the same shape. Measured on 60 photographs
(CamVid): JPEG at quality 30, scaling to a quarter, 10 % more brightness and 15 % more contrast all stay at 0.997 or
above. Of the 12.5 million pairs among 5,000 MNIST digits none reaches 0.99; of the 50 million among Fashion-MNIST's
10,000 test images 13 reach 0.995. Not found: cropped copies, 20 % more brightness where it clips (0.989), and rescaled
copies of images below some 32 pixels (28×28 digits at half size: 0.73 to 0.9), whose thumbnails are made of too few
pixels.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

THUMBNAIL_SIDE: Final = 16
MAX_NEAR_DUPLICATE_IMAGES: Final = (
    60_000  # 10^12 multiplications and additions at this size; time grows with the square
)
MIN_CORRELATION: Final = 0.995
MAX_RMS_DIFFERENCE: Final = 28.0
_MIN_CONTRAST: Final = 4.0  # below this standard deviation, in grey levels, a thumbnail is noise on an even ground
_BLOCK: Final = 2048
_MIN_CROWDED_CLASS: Final = 6  # so many different examples at least make a class that near duplicates may crowd
_MIN_CHAIN: Final = 20
_MIN_CLIQUE_SHARE: Final = 0.9  # of the pairs among copies of one picture so many are found to be alike


def grey_image(image: NDArray[np.uint8]) -> Image.Image:
    """Return the brightness of uint8 (H, W, C), C = 1 or 3, as a Pillow image (mode "L")."""
    return Image.fromarray(image[..., 0]) if image.shape[2] == 1 else Image.fromarray(image).convert("L")


def thumbnail(grey: Image.Image) -> NDArray[np.uint8]:
    """Reduce a grey image to uint8 (16, 16), each pixel the mean of its area; the aspect ratio is ignored."""
    # reduce() averages the same way and is several times faster on large pictures.
    factor = max(1, min(grey.width, grey.height) // (4 * THUMBNAIL_SIDE))
    small = grey.reduce(factor) if factor > 1 else grey
    return np.asarray(small.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX), dtype=np.uint8)


def exact_duplicates(hashes: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return the indices that share a content hash, for each hash that occurs more than once, in order."""
    by_hash: dict[str, list[int]] = defaultdict(list)
    for index, value in enumerate(hashes):
        by_hash[value].append(index)
    return tuple(tuple(indices) for indices in by_hash.values() if len(indices) > 1)


def near_duplicate_pairs(thumbnails: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the near-duplicate pairs (P, 2), first < second, among thumbnails (N, 16, 16).

    Memory is bounded by blocks of 2,048 × 2,048 pairs; time grows with N².
    """
    pixels = torch.from_numpy(thumbnails.reshape(len(thumbnails), -1).copy()).to(torch.float32)
    centred = pixels - pixels.mean(dim=1, keepdim=True)
    norms = centred.norm(dim=1, keepdim=True)
    # An even picture correlates with nothing: it is normalised to zero.
    enough = norms >= _MIN_CONTRAST * THUMBNAIL_SIDE
    unit = torch.where(enough, centred / norms.clamp_min(1e-6), torch.zeros(()))
    pairs: list[NDArray[np.int64]] = []
    for start in range(0, len(pixels), _BLOCK):
        for other in range(start, len(pixels), _BLOCK):
            alike = (unit[start : start + _BLOCK] @ unit[other : other + _BLOCK].T) >= MIN_CORRELATION
            first, second = alike.nonzero(as_tuple=True)
            first, second = first + start, second + other
            ordered = first < second
            first, second = first[ordered], second[ordered]
            close = _rms(pixels, first, second) <= MAX_RMS_DIFFERENCE
            pairs.append(torch.stack([first[close], second[close]], dim=1).numpy())
    return np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=np.int64)


def _rms(pixels: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Root mean square difference of each pair, in slices: a block of equal images has millions of
    pairs."""
    slices = [
        (pixels[a] - pixels[b]).square().mean(dim=1).sqrt()
        for a, b in zip(torch.split(first, 65_536), torch.split(second, 65_536), strict=True)
    ]
    return torch.cat(slices) if slices else torch.empty(0)


def duplicate_groups(keys: Sequence[str], pairs: NDArray[np.int64]) -> tuple[str, ...]:
    """Return for each example the smallest key of its group: equal keys, or joined by near-duplicate ``pairs``."""
    same = [(group[0], other) for group in exact_duplicates(keys) for other in group[1:]]
    joined = np.concatenate([pairs, np.array(same, dtype=np.int64).reshape(-1, 2)])
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(joined), np.int8), (joined[:, 0], joined[:, 1])), shape=(len(keys), len(keys)))
    _, groups = connected_components(links, directed=False)
    smallest: dict[int, str] = {}
    for key, group in zip(keys, groups.tolist(), strict=True):
        smallest[group] = min(key, smallest.get(group, key))
    return tuple(smallest[group] for group in groups.tolist())


def splittable_groups(
    keys: Sequence[str], pairs: NDArray[np.int64], labels: Sequence[str]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the groups of ``duplicate_groups``, with those broken up that leave a class without a test.

    Pictures of one fixed camera are all alike without being copies. A group that swallows a class, or most of it along
    a chain of pictures that are not alike themselves, keeps only those that are alike to one and the same picture; if
    that is still too much, only equal keys stay together.

    Args:
        keys: Key of each example.
        pairs: Near duplicates (P, 2).
        labels: Class of each example.

    Returns:
        The group of each example, and the indices of the examples whose near duplicates may be in another group.
    """
    groups, torn = duplicate_groups(keys, pairs), set[int]()
    for attempt in (_star_pairs, _no_pairs):
        crowded = _crowded_groups(keys, groups, pairs, labels)
        inside = np.array([groups[first] in crowded for first in pairs[:, 0].tolist()], dtype=bool)
        if not inside.any():
            break
        torn |= {i for i, group in enumerate(groups) if group in crowded}
        pairs = np.concatenate([pairs[~inside], attempt(pairs[inside])])
        groups = duplicate_groups(keys, pairs)
    return groups, tuple(sorted(torn))


def _crowded_groups(
    keys: Sequence[str], groups: Sequence[str], pairs: NDArray[np.int64], labels: Sequence[str]
) -> set[str]:
    """The groups that hold so much of a class that the rest does not make three parts, or most of it by a chain."""
    contents: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for key, group, label in zip(keys, groups, labels, strict=True):
        contents[label][group].add(key)
    sizes: dict[str, set[str]] = defaultdict(set)
    for key, group in zip(keys, groups, strict=True):
        sizes[group].add(key)
    linked: dict[str, int] = defaultdict(int)
    for first in pairs[:, 0].tolist():
        linked[groups[first]] += 1
    crowded: set[str] = set()
    for held in contents.values():
        total = sum(map(len, held.values()))
        if total < _MIN_CROWDED_CLASS:
            continue
        for group, own in held.items():
            size = len(sizes[group])
            chain = size >= _MIN_CHAIN and linked[group] < _MIN_CLIQUE_SHARE * size * (size - 1) / 2
            if 2 * len(own) > total and (len(held) < 3 or chain):
                crowded.add(group)
    return crowded


def _star_pairs(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """The pairs of each example with the first leader that it is alike to; who is alike to none leads."""
    partners: dict[int, set[int]] = defaultdict(set)
    for first, second in pairs.tolist():
        partners[first].add(second)
        partners[second].add(first)
    led: set[int] = set()
    kept: list[tuple[int, int]] = []
    for leader in sorted(partners):
        if leader not in led:
            own = sorted(other for other in partners[leader] if other > leader and other not in led)
            led.update(own)
            kept += [(leader, other) for other in own]
    return np.array(kept, dtype=np.int64).reshape(-1, 2)


def _no_pairs(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    return pairs[:0]
