"""Splits that divide no identity."""

from capas.data.identity_splits import assign_identity_splits, identities_torn
from capas.data.naming import SplitName


def split_of(names: list[str], sides: tuple[SplitName, ...]) -> dict[str, set[str]]:
    held: dict[str, set[str]] = {"train": set(), "validation": set(), "test": set()}
    for name, side in zip(names, sides, strict=True):
        held[side].add(name)
    assert sum(map(len, held.values())) == len(set(names)), "an identity is in two splits"
    return held


def test_shares_are_of_identities_whatever_their_size() -> None:
    names = [f"p{i}" for i in range(100) for _ in range(2 + i % 7)]
    held = split_of(names, assign_identity_splits(names, names))
    assert {side: len(own) for side, own in held.items()} == {"train": 70, "validation": 15, "test": 15}


def test_order_does_not_matter_and_a_new_identity_moves_few() -> None:
    names = [f"p{i}" for i in range(40) for _ in range(3)]
    held = split_of(names, assign_identity_splits(names, names))
    backwards = names[::-1]
    assert split_of(backwards, assign_identity_splits(backwards, backwards)) == held
    more = [*names, "new", "new"]
    after = split_of(more, assign_identity_splits(more, more))
    assert len(held["test"] ^ after["test"]) <= 2


def test_of_few_identities_as_many_are_tested_as_there_must_be() -> None:
    for count, expected in ((4, (2, 0, 2)), (6, (2, 2, 2)), (12, (6, 3, 3)), (20, (10, 5, 5))):
        names = [f"p{i}" for i in range(count) for _ in range(2)]
        held = split_of(names, assign_identity_splits(names, names))
        assert (len(held["train"]), len(held["validation"]), len(held["test"])) == expected


def test_identities_with_one_example_are_trained_on() -> None:
    names = [f"p{i}" for i in range(10) for _ in range(2)] + [f"single{i}" for i in range(10)]
    held = split_of(names, assign_identity_splits(names, names))
    assert {name for name in names if name.startswith("single")} <= held["train"]


def test_what_is_tied_stays_together() -> None:
    names = [f"p{i}" for i in range(20) for _ in range(2)]
    groups = ["both" if name in ("p3", "p7") else name for name in names]
    sides = dict(zip(names, assign_identity_splits(groups, names), strict=True))
    assert sides["p3"] == sides["p7"]


def test_splits_of_the_users_own_are_kept_and_completed() -> None:
    names = [f"p{i}" for i in range(12) for _ in range(3)]
    fixed: list[SplitName | None] = ["test" if name in ("p1", "p2") else "train" for name in names]
    assert not identities_torn(names, fixed)
    held = split_of(names, assign_identity_splits(names, names, fixed=fixed))
    assert held["test"] == {"p1", "p2"} and len(held["validation"]) == 2
    fixed[0] = "test"
    assert identities_torn(names, fixed)
    assert split_of(names, assign_identity_splits(names, names, validation=0.0))["validation"] == set()
