"""Duplicate examples, exact and near, and the groups of them that a split must not divide."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.data.inspect.near_duplicates import NearDuplicates
from capas.data.splits import all_different

MAX_NEAR_DUPLICATE_IMAGES: Final = 60_000  # beyond, comparing them takes minutes
_MIN_CROWDED_CLASS: Final = 6  # so many different examples at least make a class that near duplicates may crowd
_MIN_CHAIN: Final = 20
_MIN_CLIQUE_SHARE: Final = 0.9  # of the pairs among copies of one picture so many are found to be alike


def exact_duplicates(hashes: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return the indices that share a content hash, for each hash that occurs more than once, in order."""
    if all_different(hashes):
        return ()
    first: dict[str, int] = {}
    groups: dict[int, list[int]] = {}
    for index, value in enumerate(hashes):
        before = first.setdefault(value, index)
        if before != index:
            groups.setdefault(before, [before]).append(index)
    return tuple(tuple(groups[before]) for before in sorted(groups))


def duplicate_groups(keys: Sequence[str], pairs: NDArray[np.int64]) -> tuple[str, ...]:
    """Return for each example the smallest key of its group: equal keys, or joined by near-duplicate ``pairs``."""
    if not len(pairs):
        return tuple(keys)
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
    keys: Sequence[str], near: NearDuplicates, labels: Sequence[str], copies: NDArray[np.int64] | None = None
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the groups of ``duplicate_groups``, with those broken up that leave a class without a test.

    Pictures of one fixed camera are all alike without being copies. A group that swallows a class, or most of it along
    a chain of pictures that are not alike themselves, keeps only those that are alike to one and the same picture; if
    that is still too much, only equal keys stay together.

    Args:
        keys: Key of each example.
        near: Near duplicates among the examples.
        labels: Class of each example.
        copies: Pairs (P, 2) of examples that are the same though their keys differ.

    Returns:
        The group of each example, and the indices of the examples whose near duplicates may be in another group.
    """
    same = np.empty((0, 2), dtype=np.int64) if copies is None else copies
    everyone = np.arange(len(keys))
    links, counts = near.clusters.copy(), near.counts.copy()
    np.add.at(counts, same.ravel(), 1)
    torn = set[int]()
    groups = duplicate_groups(keys, _linked(links, same))
    for weaker in (near.leaders, everyone):
        linked = (links != everyone) | np.isin(everyone, same[:, 1])
        if not linked.any():
            break
        crowded = _crowded_groups(keys, groups, counts, labels)
        inside = np.array([group in crowded for group in groups], dtype=bool)
        if not (inside & linked).any():
            break
        torn |= set(np.flatnonzero(inside).tolist())
        links[inside] = weaker[inside]
        same = same[~inside[same[:, 0]]] if weaker is everyone else same
        # Each link is a pair that counts for both of its ends.
        counts[inside] = np.where(links != everyone, 2, 0)[inside]
        groups = duplicate_groups(keys, _linked(links, same))
    return groups, tuple(sorted(torn))


def _linked(links: NDArray[np.int64], same: NDArray[np.int64]) -> NDArray[np.int64]:
    """The pairs of each example with the one that it is linked to, and those that are the same."""
    own = np.flatnonzero(links != np.arange(len(links)))
    return np.concatenate([np.stack([links[own], own], axis=1), same])


def _crowded_groups(
    keys: Sequence[str], groups: Sequence[str], counts: NDArray[np.int64], labels: Sequence[str]
) -> set[str]:
    """The groups that hold so much of a class that the rest does not make three parts, or most of it by a chain."""
    contents: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for key, group, label in zip(keys, groups, labels, strict=True):
        contents[label][group].add(key)
    sizes: dict[str, set[str]] = defaultdict(set)
    for key, group in zip(keys, groups, strict=True):
        sizes[group].add(key)
    linked: dict[str, int] = defaultdict(int)
    for group, count in zip(groups, counts.tolist(), strict=True):
        linked[group] += count  # each pair is counted at both of its ends
    crowded: set[str] = set()
    for held in contents.values():
        total = sum(map(len, held.values()))
        if total < _MIN_CROWDED_CLASS:
            continue
        for group, own in held.items():
            size = len(sizes[group])
            chain = size >= _MIN_CHAIN and linked[group] < _MIN_CLIQUE_SHARE * size * (size - 1)
            if 2 * len(own) > total and (len(held) < 3 or chain):
                crowded.add(group)
    return crowded
