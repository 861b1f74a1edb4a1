"""Which examples are for training, validation and test, and what decides it: dates, groups, copies, contents."""

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.core.i18n import Value
from capas.data.identity_splits import assign_identity_splits, identities_torn
from capas.data.inspect.data_checks import (
    Duplicates,
    find_duplicates,
)
from capas.data.inspect.duplicates import duplicate_groups, splittable_groups
from capas.data.inspect.name_groups import asked_part, groups_in_names, name_parts, part_of_names
from capas.data.inspect.read_dataset import ReadDataset
from capas.data.inspect.time_order import TimeSplit, split_by_time
from capas.data.naming import SplitName
from capas.data.problems import Problem, escape_unprintable, problems_from
from capas.data.sources.page_lines import PageLineImages
from capas.data.splits import assign_splits, validation_share
from capas.data.tabular.column_types import class_label

_TEST: SplitName = "test"


@dataclass(frozen=True, kw_only=True, slots=True)
class DecidedSplits:
    """The splits of the usable examples, and what decided them.

    Attributes:
        sides: The split of each.
        fixed: The split that the data lay down for each; None where they lay down none.
        in_time: The split by date that ``fixed`` is, if it is one.
        repeats: The duplicates among them.
        groups: What each must stay together with.
        torn: Those that are too much alike to stay together.
    """

    sides: Sequence[SplitName]
    fixed: Sequence[SplitName | None]
    in_time: TimeSplit | None
    repeats: Duplicates
    groups: Sequence[str]
    torn: Sequence[int]


def decide_splits(
    read: ReadDataset, *, group: str | None, validation: float | None, test: float, learning: bool
) -> DecidedSplits:
    """Decide the splits of the usable examples.

    Args:
        read: The dataset.
        group: Column, or ``name:2`` for a part of the file names, whose equal values stay together; None for none.
        validation: Share of the validation split, 0..1; by ``validation_share`` if None.
        test: Share of the test split, 0..1.
        learning: False where the data are for testing alone.

    Raises:
        CapasError: ``no_such_group``, and those of ``assign_splits``.
    """
    source, chosen = read.source, read.chosen
    if validation is None:
        fixed_test = sum(source.fixed_split[i] == _TEST for i in chosen)
        rest = len(chosen) - fixed_test if fixed_test else round((1 - test) * len(chosen))
        validation = min(validation_share(read.spec, rest), (1 - test) / 2)
    in_time = None
    if group is None and set(source.fixed_split) == {None} and source.medium == "table":
        in_time = split_by_time(source.columns, validation=validation, test=test)
    fixed = [(in_time.splits if in_time else source.fixed_split)[i] for i in chosen]
    pages = read.inputs if isinstance(read.inputs, PageLineImages) else None
    # Small pictures of lines of one hand are all alike, and a line has no copy on another page.
    compared = None if pages is not None else read.scan.thumbnails
    repeats = find_duplicates(read.keys, None if compared is None else _stacked([compared[i] for i in chosen]), fixed)
    own = read.keys if pages is None else [pages.page_name(i) for i in chosen]
    if read.spec.task == "verify":
        return _identities_apart(read, group, repeats, fixed, validation, test)
    groups, torn = _groups(read, group, own, repeats)
    if not learning and set(fixed) & {"test", "validation"} and "train" not in fixed:
        sides: tuple[SplitName, ...] = tuple(_TEST for _ in fixed)
    else:
        sides = assign_splits(read.keys, read.strata, fixed=fixed, groups=groups, validation=validation, test=test)
    return DecidedSplits(sides=sides, fixed=fixed, in_time=in_time, repeats=repeats, groups=groups, torn=torn)


def _groups(
    read: ReadDataset, group: str | None, keys: Sequence[str], repeats: Duplicates
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """What must stay together: equal cells of the ``group`` column or parts of the names, and duplicates, near or
    exact; and the examples that are too much alike to stay together."""
    strata = read.strata
    if group is None:
        return splittable_groups(keys, repeats.near, strata)
    return _kept_together(_asked_groups(read, group, keys), read, repeats)


def _asked_groups(read: ReadDataset, group: str, keys: Sequence[str]) -> list[str]:
    """The cell of the ``group`` column, or the part of the name, of each example; its key where it has none. Raises
    CapasError ``no_such_group``."""
    source, chosen = read.source, read.chosen
    number = asked_part(group)
    if group not in source.columns and number is not None and source.files is not None:
        parts = part_of_names([read.inputs.name(i) for i in chosen], number)
        if any(parts):
            return [part or key for part, key in zip(parts, keys, strict=True)]
    if group not in source.columns:
        names = [escape_unprintable(name) for name in source.columns]
        names += [f"name:{number}" for number in name_parts([read.inputs.name(i) for i in chosen]) if source.files]
        closest = next(iter(difflib.get_close_matches(group, names, n=1, cutoff=0.0)), "–")
        raise CapasError(
            "no_such_group", where=source.root, received=group, nearest=closest, available=", ".join(names)
        )
    cells = source.columns[group].take(chosen)
    return [class_label(cell) or key for cell, key in zip(cells, keys, strict=True)]


def _identities_apart(
    read: ReadDataset, group: str | None, repeats: Duplicates, fixed: Sequence[SplitName | None], validation: float,
    test: float,
) -> DecidedSplits:  # fmt: skip
    """Splits that divide no identity; those that the data lay down are left aside where they do.

    Several identities stay together where a copy of one example is in both, or where the ``group`` ties them.
    """
    identities = list(read.words)
    tied = [pair for exact in repeats.exact for pair in pairwise(exact)]
    if group is not None:
        together: dict[str, int] = {}
        for place, cell in enumerate(_asked_groups(read, group, read.keys)):
            tied.append((together.setdefault(cell, place), place))
    groups = duplicate_groups(identities, np.array(tied, dtype=np.int64).reshape(-1, 2))
    kept = [None] * len(fixed) if identities_torn(groups, fixed) else fixed
    sides = assign_identity_splits(groups, identities, fixed=kept, validation=validation, test=test)
    return DecidedSplits(sides=sides, fixed=kept, in_time=None, repeats=repeats, groups=groups, torn=())


def identity_notes(read: ReadDataset, splits: DecidedSplits) -> tuple[Problem, ...]:
    """Return that the folders' own splits were left aside, where they divide identities."""
    laid_down = [read.source.fixed_split[i] for i in read.chosen]
    if read.spec.task != "verify" or not any(laid_down) or any(splits.fixed):
        return ()
    sides: dict[str, set[SplitName]] = {}
    for word, side in zip(read.words, laid_down, strict=True):
        if side is not None:
            sides.setdefault(word, set()).add(side)
    torn = [escape_unprintable(word) for word, held in sides.items() if len(held) > 1]
    return problems_from("identities_torn", torn, severity="note")


def _kept_together(
    groups: Sequence[str], read: ReadDataset, repeats: Duplicates
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    same = [pair for exact in repeats.exact for pair in pairwise(exact)]
    return splittable_groups(groups, repeats.near, read.strata, np.array(same, dtype=np.int64).reshape(-1, 2))


def _stacked(thumbnails: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.stack(thumbnails) if thumbnails else np.empty((0, 16, 16), dtype=np.uint8)


def group_hint(read: ReadDataset, splits: DecidedSplits) -> tuple[Problem, ...]:
    """What the names of the files tell of people or things that are in training and test alike."""
    if read.source.files is None or any(splits.fixed) or read.spec.task not in ("classify", "tag", "regress"):
        return ()
    if read.source.layout == "table":  # its columns may name groups, and are asked by the report
        return ()
    names = [read.inputs.name(i) for i in read.chosen]
    found = groups_in_names(names, [read.wanted.labels[i] for i in read.chosen])
    if found is None:
        return ()
    number, values = found
    counts = Counter(values)
    values_told: dict[str, Value] = {"number": number, "groups": len(counts)}
    return problems_from("groups_in_names", [name for name, _ in counts.most_common()], values=values_told)


def time_note(split: TimeSplit | None) -> tuple[Problem, ...]:
    """Return the note that the last part in time is the test, if it is."""
    if split is None:
        return ()
    values: dict[str, Value] = {"column": split.column, "since": split.since.isoformat()}
    return problems_from("split_by_time", [split.column], severity="note", values=values)
