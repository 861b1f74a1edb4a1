"""Deterministic train/validation/test split: decided by an example's content, not by its position in a list.

The key of an example (its content, or its group) is hashed to a number u in 0..1. In a class with 1,000 keys or more

    u < test                       → test
    test ≤ u < test + validation   → validation
    otherwise                      → train

so the same content always falls in the same split, and adding or renaming files moves none of the others. In a smaller
class shares that only hold on average would be far off (of 30 examples, 12 for the test); there the keys with the
smallest u are for the test, the next for validation, in the numbers that the shares ask for. Adding a file then moves
three keys at most (both borders by one, and the further one by one more).

A class that would be missing from a split gets one key there, by moving the key whose u is nearest to that split's
interval.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.core.spec import Spec
from capas.data.naming import SplitName

# A class with one key trains; with two it also tests; from three on it is in every split.
_ORDER: Final[tuple[SplitName, ...]] = ("train", "test", "validation")
_NAMES: Final[tuple[SplitName, ...]] = ("train", "validation", "test")
_CODE: Final[dict[SplitName, int]] = {name: code for code, name in enumerate(_NAMES)}
_ENOUGH_VALIDATION: Final = 300  # examples of tables and texts
_HASHED: Final = 4096  # keys at a time
_MAX_COUNTED: Final = 1000  # keys of a class; with more, independent draws come near enough to the shares

Codes = NDArray[np.int64]


def assign_splits(
    keys: Sequence[str],
    labels: Sequence[str],
    *,
    fixed: Sequence[SplitName | None] | None = None,
    groups: Sequence[str] | None = None,
    validation: float = 0.15,
    test: float = 0.15,
    seed_salt: str = "capas-1",
) -> tuple[SplitName, ...]:
    """Return the split of each example.

    Args:
        keys: Content hashes.
        labels: Class of each example.
        fixed: The user's own splits; respected, the rest is filled by the rule above, and a missing split is taken from
            its training part.
        groups: What must stay together (a patient, near duplicates); replaces the keys.
        validation: Share in 0..1.
        test: Share in 0..1.
        seed_salt: Added to the keys before hashing.

    Raises:
        CapasError: ``split_shares`` or ``no_train_split``.
        ValueError: Lengths differ.
    """
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise CapasError("split_shares", where="validation, test", received=f"{validation:g} + {test:g}")
    units = groups if groups is not None else keys
    laid_down: Sequence[SplitName | None] = fixed if fixed is not None else [None] * len(keys)
    if not len(keys) == len(labels) == len(units) == len(laid_down):
        raise ValueError("keys, labels, groups and fixed differ in length")
    given = {side for side in laid_down if side}
    if given and "train" not in given and None not in laid_down:
        raise CapasError("no_train_split", received=", ".join(sorted(given)))
    examples = _Examples(units, labels, laid_down, seed_salt)
    shares: dict[SplitName, float] = {"test": test, "validation": validation}
    by_unit = np.where(examples.u < test, _CODE["test"], _CODE["train"])
    by_unit[(examples.u >= test) & (examples.u < test + validation)] = _CODE["validation"]
    counted = _counted_splits(examples, {name: 0.0 if name in given else share for name, share in shares.items()})
    by_unit = np.where(counted < 0, by_unit, counted)
    for name in given - {"train"}:
        by_unit[by_unit == _CODE[name]] = _CODE["train"]
    drawn = np.where(examples.free, by_unit[examples.units], examples.fixed)
    sides = _complete(examples, drawn, _intervals(validation, test), given)
    return tuple(map(_NAMES.__getitem__, sides.tolist()))


def validation_share(spec: Spec, examples: int) -> float:
    """Return the default share of the validation split, 0.05..0.15, among ``examples`` that are not for the test.

    Calibration needs a number of examples, not a share of them, and linear models and trees of tables and texts learn
    from each one more: beyond 300 of these the share falls. What networks alone learn keeps 15 %: validation stops
    them, and they lose less.
    """
    if spec.medium not in ("table", "text") or spec.task not in ("classify", "tag", "regress"):
        return 0.15
    return min(0.15, max(0.05, _ENOUGH_VALIDATION / max(1, examples)))


def all_different(texts: Sequence[str]) -> bool:
    """Return whether no two of the texts are equal; False at times where their hashes alone are.

    >>> all_different(["a", "b"]), all_different(["a", "b", "a"])
    (True, False)
    """
    hashes = np.sort(np.fromiter(map(hash, texts), dtype=np.int64, count=len(texts)))
    return not bool((hashes[1:] == hashes[:-1]).any())


def hash_position(key: str, seed_salt: str) -> float:
    """Hash a key to a number in 0..1 (BLAKE2b, 53 bits)."""
    return float(_hash_positions([key], seed_salt)[0])


def _hash_positions(keys: Sequence[str], seed_salt: str) -> NDArray[np.float64]:
    whole = np.empty(len(keys), dtype=np.uint64)
    for start in range(0, len(keys), _HASHED):
        part = [
            hashlib.blake2b(f"{seed_salt}/{key}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
            for key in keys[start : start + _HASHED]
        ]
        whole[start : start + len(part)] = np.frombuffer(b"".join(part), dtype=">u8")
    return (whole >> np.uint64(11)).astype(np.float64) / 2**53


def _intervals(validation: float, test: float) -> dict[SplitName, tuple[float, float]]:
    return {"test": (0.0, test), "validation": (test, test + validation), "train": (test + validation, 1.0)}


class _Examples:
    """The examples as arrays; N examples, U keys, L classes.

    Attributes:
        names: The keys, U of them.
        units: Each example's key, (N,).
        labels: Each example's class as its place in alphabetical order, (N,).
        classes: Number of classes.
        fixed: Each example's split as the user laid it down, (N,); -1 where none is.
        free: Whether the rule decides, (N,): no split was laid down, or training.
        u: Each key's number in 0..1, (U,).
    """

    def __init__(
        self, units: Sequence[str], labels: Sequence[str], fixed: Sequence[SplitName | None], seed_salt: str
    ) -> None:
        if all_different(units):  # the rule; a dictionary of them would take 70 bytes each
            self.units, self.names = np.arange(len(units)), units
        else:
            places: defaultdict[str, int] = defaultdict(count().__next__)
            self.units = np.fromiter(map(places.__getitem__, units), dtype=np.int64, count=len(units))
            self.names = list(places)
        ranks = {label: rank for rank, label in enumerate(sorted(set(labels)))}
        self.labels = np.fromiter(map(ranks.__getitem__, labels), dtype=np.int64, count=len(labels))
        self.classes = len(ranks)
        self.fixed = np.array([-1 if side is None else _CODE[side] for side in fixed], dtype=np.int64)
        self.free = self.fixed <= _CODE["train"]
        self.u = _hash_positions(self.names, seed_salt)

    def distinct(self, columns: NDArray[np.int64], size: int) -> tuple[Codes, Codes, Codes]:
        """Return the different pairs of key and ``columns`` (0..size-1), in order, and how often each occurs."""
        pairs, counts = np.unique(self.units * size + columns, return_counts=True)
        return pairs // size, pairs % size, counts


def _counted_splits(examples: _Examples, shares: Mapping[SplitName, float]) -> Codes:
    """Return the split of each free key of the classes with few keys, (U,), -1 for the others; a key with several
    classes counts for its commonest.
    """
    found = np.full(len(examples.names), -1, dtype=np.int64)
    # What is not free is counted as a class of its own, behind all others.
    classes = np.where(examples.free, examples.labels, examples.classes)
    units, labels, counts = examples.distinct(classes, examples.classes + 1)
    units, labels, counts = (part[labels < examples.classes] for part in (units, labels, counts))
    sizes = np.bincount(units, weights=counts, minlength=len(found))
    order = np.lexsort((labels, -counts, units))
    units, labels = units[order], labels[order]
    first = np.ones(len(units), dtype=bool)
    first[1:] = units[1:] != units[:-1]
    units, labels = units[first], labels[first]
    in_class = np.bincount(labels, minlength=examples.classes)
    for label in np.flatnonzero((in_class > 0) & (in_class < _MAX_COUNTED)).tolist():
        own = units[labels == label].tolist()
        waiting = sorted(own, key=lambda unit: (examples.u[unit], examples.names[unit]))
        total = sum(sizes[unit] for unit in own)
        for split, share in shares.items():
            quota, taken = math.floor(share * total + 0.5), 0
            # A group that is larger than what is left to fill goes in where it overshoots by less than it fills.
            while len(waiting) > 1 and taken + sizes[waiting[0]] / 2 <= quota and taken < quota:
                taken += sizes[waiting[0]]
                found[waiting.pop(0)] = _CODE[split]
        found[waiting] = _CODE["train"]
    return found


def _complete(
    examples: _Examples,
    sides: Codes,
    intervals: Mapping[SplitName, tuple[float, float]],
    fixed_splits: set[SplitName],
) -> Codes:
    """Bring each class into each split that it would miss, one key at a time."""
    units, pairs, _ = examples.distinct(examples.labels * len(_NAMES) + sides, examples.classes * len(_NAMES))
    labels, own_sides = pairs // len(_NAMES), pairs % len(_NAMES)
    counts = np.zeros((examples.classes, len(_NAMES)), dtype=np.int64)  # keys of each class in each split
    np.add.at(counts, (labels, own_sides), 1)
    missed = _missed_splits(examples, counts, intervals, fixed_splits)
    if not missed:
        return sides
    # A key whose examples are free has one side; of others none is moved.
    movable = np.ones(len(examples.names), dtype=bool)
    movable[examples.units[~examples.free]] = False
    side_of = np.zeros(len(examples.names), dtype=np.int64)
    side_of[units] = own_sides
    for label, (wanted, names) in missed.items():
        own = np.unique(units[labels == label])
        for name in names:
            if counts[label, _CODE[name]]:  # a key that was moved for another class brought it
                continue
            free = []
            for unit in own[movable[own]].tolist():
                held = labels[slice(*np.searchsorted(units, [unit, unit + 1]))]
                side = int(side_of[unit])
                needed = [other for other in held.tolist() if other != label or _NAMES[side] in wanted]
                if all(counts[other, side] > 1 for other in needed):
                    free.append((_distance(float(examples.u[unit]), intervals[name]), examples.names[unit], unit, held))
            if free:
                _, _, unit, held = min(free, key=lambda one: one[:2])
                counts[held, side_of[unit]] -= 1
                counts[held, _CODE[name]] += 1
                side_of[unit] = _CODE[name]
    return np.where(movable[examples.units], side_of[examples.units], sides)


def _missed_splits(
    examples: _Examples,
    counts: Codes,
    intervals: Mapping[SplitName, tuple[float, float]],
    fixed_splits: set[SplitName],
) -> dict[int, tuple[list[SplitName], list[SplitName]]]:
    """Per class that lacks some: the splits that it has keys for, and of these the missing ones.

    No other class can lose its last key of a split while keys are moved for these.
    """
    _, labels, _ = examples.distinct(examples.labels, examples.classes)
    found: dict[int, tuple[list[SplitName], list[SplitName]]] = {}
    for label, keys in enumerate(np.bincount(labels, minlength=examples.classes).tolist()):
        wanted = [name for name in _ORDER if _length(intervals[name]) > 0][:keys]
        missing = [
            name for name in wanted if not counts[label, _CODE[name]] and (name == "train" or name not in fixed_splits)
        ]
        if missing:
            found[label] = (wanted, missing)
    return found


def _length(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]


def _distance(u: float, interval: tuple[float, float]) -> float:
    low, high = interval
    return max(low - u, u - high, 0.0)
