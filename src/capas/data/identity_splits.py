"""Splits that keep identities apart: all examples of a person, a hand or a sign lie in one split.

A test with identities that were trained on would ask what is remembered, not what can be told apart. As in
``assign_splits`` the content decides (here the identity's name), not the order of the files.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from capas.data.naming import SplitName
from capas.data.splits import hash_position

MIN_IDENTITIES: Final = 2  # of a split: with one there is no pair of different ones
ENOUGH_IDENTITIES: Final = 5  # so many give an interval; a share of 15 % reaches them with 33 only
_SALT: Final = "capas-1"


def identities_torn(identities: Sequence[str], fixed: Sequence[SplitName | None]) -> bool:
    """Return whether splits that the data lay down divide an identity."""
    held = {(identity, split) for identity, split in zip(identities, fixed, strict=True) if split is not None}
    return len(held) > len({identity for identity, _ in held})


def assign_identity_splits(
    groups: Sequence[str],
    identities: Sequence[str],
    *,
    fixed: Sequence[SplitName | None] | None = None,
    validation: float = 0.15,
    test: float = 0.15,
) -> tuple[SplitName, ...]:
    """Return the split of each example.

    The shares are of identities. Test and training get two groups at least that hold an identity with several
    examples, and so does validation where six such groups or more are there; with fewer there is no validation. Test
    and validation are larger than their shares where these would give fewer than five, up to a quarter each.

    Args:
        groups: What must stay together: an identity, or several that are tied by copies of one example.
        identities: Identity of each example.
        fixed: The user's own splits, which divide no identity; the rest is filled from the training part.
        validation: Share in 0..1.
        test: Share in 0..1.

    >>> names = [name for name in "abcdefgh" for _ in range(3)]
    >>> sides = assign_identity_splits(names, names)
    >>> sorted((side, len({n for n, s in zip(names, sides) if s == side})) for side in set(sides))
    [('test', 2), ('train', 4), ('validation', 2)]
    """
    laid_down = dict(zip(groups, fixed, strict=True)) if fixed is not None else {}
    given = {split for split in laid_down.values() if split is not None}
    free = [group for group in dict.fromkeys(groups) if laid_down.get(group) in (None, "train")]
    counts = Counter(identities)
    pairable = {group for group, identity in zip(groups, identities, strict=True) if counts[identity] > 1}
    ranked = sorted(free, key=lambda group: (hash_position(group, _SALT), group))
    able = [group for group in ranked if group in pairable]
    sizes: dict[SplitName, int] = {}
    for name, share, least in (("test", test, 4), ("validation", validation, 6)):
        split: SplitName = "test" if name == "test" else "validation"
        due = split not in given and share > 0 and len(able) >= least - MIN_IDENTITIES * len(given - {"train"})
        floor = max(MIN_IDENTITIES, min(ENOUGH_IDENTITIES, len(able) // 4))
        sizes[split] = max(floor, round(share * len(able))) if due else 0
    sides: dict[str, SplitName] = dict.fromkeys(free, "train")
    sides.update(dict.fromkeys(able[: sizes["test"]], "test"))
    sides.update(dict.fromkeys(able[sizes["test"] : sizes["test"] + sizes["validation"]], "validation"))
    return tuple(fixed_split if (fixed_split := laid_down.get(g)) not in (None, "train") else sides[g] for g in groups)
