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
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from capas.core.errors import CapasError
from capas.core.spec import Spec
from capas.data.naming import SplitName

# A class with one key trains; with two it also tests; from three on it is in every split.
_ORDER: Final[tuple[SplitName, ...]] = ("train", "test", "validation")
_ENOUGH_VALIDATION: Final = 300  # examples of tables and texts
_MAX_COUNTED: Final = 1000  # keys of a class; with more, independent draws come near enough to the shares


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
    units = list(groups if groups is not None else keys)
    laid_down: Sequence[SplitName | None] = fixed if fixed is not None else [None] * len(keys)
    if not len(keys) == len(labels) == len(units) == len(laid_down):
        raise ValueError("keys, labels, groups and fixed differ in length")
    given = {side for side in laid_down if side}
    if given and "train" not in given and None not in laid_down:
        raise CapasError("no_train_split", received=", ".join(sorted(given)))
    by_unit = _counted_splits(units, labels, laid_down, given, {"test": test, "validation": validation}, seed_salt)
    drawn = _draw(units, laid_down, given, _intervals(validation, test), seed_salt, by_unit)
    return _complete(units, labels, drawn, _intervals(validation, test), seed_salt, given)


def validation_share(spec: Spec, examples: int) -> float:
    """Return the default share of the validation split, 0.05..0.15, among ``examples`` that are not for the test.

    Calibration needs a number of examples, not a share of them, and linear models and trees of tables and texts learn
    from each one more: beyond 300 of these the share falls. What networks alone learn keeps 15 %: validation stops them,
    and they lose less.
    """
    if spec.medium not in ("table", "text") or spec.task not in ("classify", "tag", "regress"):
        return 0.15
    return min(0.15, max(0.05, _ENOUGH_VALIDATION / max(1, examples)))


def hash_position(key: str, seed_salt: str) -> float:
    """Hash a key to a number in 0..1 (BLAKE2b, 53 bits)."""
    digest = hashlib.blake2b(f"{seed_salt}/{key}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return float((int.from_bytes(digest, "big") >> 11) / 2**53)


def _intervals(validation: float, test: float) -> dict[SplitName, tuple[float, float]]:
    return {"test": (0.0, test), "validation": (test, test + validation), "train": (test + validation, 1.0)}


def _counted_splits(
    units: Sequence[str],
    labels: Sequence[str],
    fixed: Sequence[SplitName | None],
    fixed_splits: set[SplitName],
    shares: Mapping[SplitName, float],
    seed_salt: str,
) -> dict[str, SplitName]:
    """Return the split of each free key of the classes with few keys; a key with several classes counts for its
    commonest.
    """
    classes: dict[str, Counter[str]] = defaultdict(Counter)
    for unit, label, side in zip(units, labels, fixed, strict=True):
        if side is None or side == "train":
            classes[unit][label] += 1
    by_class: dict[str, list[str]] = defaultdict(list)
    for unit, counts in classes.items():
        by_class[min(counts, key=lambda label: (-counts[label], label))].append(unit)
    found: dict[str, SplitName] = {}
    for own in by_class.values():
        if len(own) >= _MAX_COUNTED:
            continue
        waiting = sorted(own, key=lambda unit: (hash_position(unit, seed_salt), unit))
        sizes = {unit: classes[unit].total() for unit in own}
        examples = sum(sizes.values())
        for split, share in shares.items():
            quota = 0 if split in fixed_splits else math.floor(share * examples + 0.5)
            taken = 0
            # A group that is larger than what is left to fill goes in where it overshoots by less than it fills.
            while len(waiting) > 1 and taken + sizes[waiting[0]] / 2 <= quota and taken < quota:
                taken += sizes[waiting[0]]
                found[waiting.pop(0)] = split
        found |= dict.fromkeys(waiting, "train")
    return found


def _draw(
    units: Sequence[str],
    fixed: Sequence[SplitName | None],
    fixed_splits: set[SplitName],
    intervals: Mapping[SplitName, tuple[float, float]],
    seed_salt: str,
    counted: Mapping[str, SplitName],
) -> list[tuple[SplitName, bool]]:
    """Each example's split by the rule, and whether it may still be moved."""
    drawn: list[tuple[SplitName, bool]] = []
    for unit, side in zip(units, fixed, strict=True):
        u = hash_position(unit, seed_salt)
        by_interval: SplitName = next((n for n, (low, high) in intervals.items() if low <= u < high), "train")
        by_hash = counted.get(unit, by_interval)
        if side is None or side == "train":
            drawn.append((by_hash if by_hash == "train" or by_hash not in fixed_splits else "train", True))
        else:
            drawn.append((side, False))
    return drawn


def _complete(
    units: Sequence[str],
    labels: Sequence[str],
    drawn: Sequence[tuple[SplitName, bool]],
    intervals: Mapping[SplitName, tuple[float, float]],
    seed_salt: str,
    fixed_splits: set[SplitName],
) -> tuple[SplitName, ...]:
    """Bring each class into each split that it would miss, one key at a time."""
    sides: dict[int, SplitName] = {i: side for i, (side, _) in enumerate(drawn)}
    movable = _movable(units, drawn)
    members: dict[str, list[int]] = defaultdict(list)
    by_class: dict[str, list[int]] = defaultdict(list)
    for i, unit in enumerate(units):
        members[unit].append(i)
        by_class[labels[i]].append(i)
    split_counts = _SplitCounts(units, labels, sides)
    for label in sorted(by_class):
        own = sorted({units[i] for i in by_class[label]})
        wanted = [name for name in _ORDER if _length(intervals[name]) > 0][: len(own)]
        for name in wanted:
            if (name in fixed_splits and name != "train") or split_counts.count(label, name):
                continue
            free = [unit for unit in own if unit in movable and split_counts.can_leave(members[unit], label, wanted)]
            if free:
                unit = min(free, key=lambda u: (_distance(hash_position(u, seed_salt), intervals[name]), u))
                split_counts.move(members[unit], name)
    return tuple(sides[i] for i in range(len(units)))


def _movable(units: Sequence[str], drawn: Sequence[tuple[SplitName, bool]]) -> set[str]:
    """The keys of which no example was laid down elsewhere."""
    bound = {unit for unit, (_, free) in zip(units, drawn, strict=True) if not free}
    return set(units) - bound


class _SplitCounts:
    """How many keys of each class each split holds, while keys move."""

    def __init__(self, units: Sequence[str], labels: Sequence[str], sides: dict[int, SplitName]) -> None:
        self._units, self._labels, self._sides = units, labels, sides
        self._keys: dict[tuple[str, SplitName], set[str]] = defaultdict(set)
        for i, side in sides.items():
            self._keys[labels[i], side].add(units[i])

    def count(self, label: str, side: SplitName) -> int:
        return len(self._keys[label, side])

    def can_leave(self, members: Sequence[int], label: str, needed: Sequence[SplitName]) -> bool:
        """Whether every class keeps another key where these are now; ``label`` only where it is
        ``needed``."""
        return all(
            self.count(self._labels[i], self._sides[i]) > 1
            or (self._labels[i] == label and self._sides[i] not in needed)
            for i in members
        )

    def move(self, members: Sequence[int], side: SplitName) -> None:
        for i in members:
            self._keys[self._labels[i], self._sides[i]].discard(self._units[i])
            self._sides[i] = side
            self._keys[self._labels[i], side].add(self._units[i])


def _length(interval: tuple[float, float]) -> float:
    return interval[1] - interval[0]


def _distance(u: float, interval: tuple[float, float]) -> float:
    low, high = interval
    return max(low - u, u - high, 0.0)
