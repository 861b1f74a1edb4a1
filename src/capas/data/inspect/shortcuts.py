"""Shortcuts: attributes beside the content that predict the class (image size, a corner, audio length, a table column).

A network finds a shortcut, and fails where it is missing. Each attribute alone predicts the class: each of its values
(numbers in 16 bins of equal count) predicts the most frequent class among the *other* examples with that value. What
removes half of the errors of the majority class is reported.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.core.i18n import has, say
from capas.data.problems import Problem, make_problem
from capas.data.tabular.columns import NumberColumn, TextColumn, column_from_cells

BINS: Final = 16
MIN_EXAMPLES: Final = 40
MIN_GAIN: Final = 0.5  # share of the errors that an attribute must undo
MIN_LEAK_ACCURACY: Final = 0.99

Value = str | float | None
Codes = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shortcut:
    """An attribute that predicts the class.

    Attributes:
        attribute: Its name.
        accuracy: Accuracy of the attribute alone.
        majority_accuracy: Accuracy of the majority class.
    """

    attribute: str
    accuracy: float
    majority_accuracy: float

    @property
    def gain(self) -> float:
        return (self.accuracy - self.majority_accuracy) / max(1e-9, 1 - self.majority_accuracy)


def accuracy_from_attribute(values: Sequence[Value], classes: Sequence[str]) -> float:
    """Return the accuracy of predicting the class from the value, each example from the others.

    >>> accuracy_from_attribute(["a", "a", "a", "b", "b", "b"], ["x", "x", "x", "y", "y", "y"])
    1.0
    """
    return _accuracy(_codes(values), _numbered(classes)) if len(classes) else 0.0


def _accuracy(values: Codes, classes: Codes) -> float:
    """The same of values and classes by their numbers, those of the classes in the order in which they first occur.

    Examples of one class with one value are all judged alike, and only the most frequent class of a value can be
    predicted for its own examples: when one of them is taken away, the next must still come behind it.
    """
    size = int(classes.max()) + 1
    pairs, first, counts = np.unique(values * size + classes, return_index=True, return_counts=True)
    keys, names = pairs // size, pairs % size
    order = np.lexsort((first, -counts, keys))
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    held = np.diff(starts, append=len(keys))
    tops, seconds = order[starts], order[np.minimum(starts + 1, len(order) - 1)]  # of each value
    ahead = _stays_ahead(counts[tops], first[tops], np.where(held > 1, counts[seconds], 0), first[seconds])
    # An example that is alone with its value is judged by all others.
    total = np.bincount(classes)
    ranked = np.argsort(-total, kind="stable")
    best, second = ranked[:1], ranked[1:2]
    common = best if size == 1 else best[_stays_ahead(total[best], best, total[second], second)]
    alone = (held == 1) & (counts[tops] == 1)
    right = np.where(alone, np.isin(names[tops], common), ahead)
    return int(counts[tops][right].sum()) / len(classes)


def _stays_ahead(counts: Codes, places: Codes, second: Codes, second_places: Codes) -> NDArray[np.bool_]:
    """Whether a class is still the most frequent with one example less; of equal counts the first to occur is."""
    ahead: NDArray[np.bool_] = (second < counts - 1) | ((second == counts - 1) & (places < second_places))
    return ahead


def _numbered(names: Sequence[str]) -> Codes:
    """The names by the order in which they first occur."""
    places: defaultdict[str, int] = defaultdict(count().__next__)
    return np.fromiter(map(places.__getitem__, names), dtype=np.int64, count=len(names))


def _codes(values: Sequence[Value]) -> Codes:
    """The values by number; numbers by their bin where there are many."""
    column = values if isinstance(values, NumberColumn | TextColumn) else column_from_cells(values)
    if isinstance(column, TextColumn):
        return column.codes.astype(np.int64) + 1
    numbers = np.sort(column.values[~column.missing])
    if column.distinct <= BINS:
        edges = np.unique(numbers)
    else:
        edges = numbers[[len(numbers) * k // BINS for k in range(1, BINS)]]
    return np.where(column.missing, len(edges) + 1, np.searchsorted(edges, column.values, side="right"))


def find_shortcuts(attributes: Mapping[str, Sequence[Value]], classes: Sequence[str]) -> list[Shortcut]:
    """Return the attributes that predict the class too well, strongest first."""
    if len(classes) < MIN_EXAMPLES:
        return []
    numbered = _numbered(classes)
    counts = np.bincount(numbered)
    if len(counts) < 2:
        return []
    chance = int(counts.max()) / len(classes)
    found = []
    for name, values in attributes.items():
        column = values if isinstance(values, NumberColumn | TextColumn) else column_from_cells(values)
        distinct = column.distinct + bool(column.missing.any())
        if distinct < 2 or (2 * distinct > len(column) and isinstance(column, TextColumn)):
            continue
        accuracy = _accuracy(_codes(column), numbered)
        found.append(Shortcut(attribute=name, accuracy=accuracy, majority_accuracy=chance))
    return sorted((s for s in found if s.gain >= MIN_GAIN), key=lambda s: -s.gain)


def shortcut_problems(
    attributes: Mapping[str, Sequence[Value]],
    columns: Mapping[str, Sequence[Value]],
    classes: Sequence[str],
    *,
    beside: Mapping[str, Sequence[Value]] | None = None,
) -> tuple[Problem, ...]:
    """Return a warning for ``attributes`` beside the content, one for the ``columns`` that are no input, and one for
    those learnt from ``beside`` the content.
    """
    problems = []
    for kind, held in (("shortcut", attributes), ("confounded", columns), ("column_beside_tells", beside or {})):
        found = find_shortcuts(held, classes)
        if found:
            best = found[0]
            values: dict[str, str | int] = {
                "best": _shown(best.attribute),
                "accuracy": round(100 * best.accuracy),
                "chance": round(100 * best.majority_accuracy),
            }
            told = [f"{_shown(s.attribute)}: {100 * s.accuracy:.0f} %" for s in found]
            problems.append(make_problem(kind, told, severity="warning", count=len(found), values={**values}))
    return tuple(problems)


def target_leakage_problems(columns: Mapping[str, Sequence[Value]], classes: Sequence[str]) -> tuple[Problem, ...]:
    """Return input columns of a table that alone predict the target.

    They may have been written down after the target was known.
    """
    found = [s for s in find_shortcuts(columns, classes) if s.accuracy >= MIN_LEAK_ACCURACY]
    if not found:
        return ()
    told = [f"{s.attribute}: {100 * s.accuracy:.0f} %" for s in found]
    return (make_problem("given_away", told, severity="warning", values={"best": found[0].attribute}),)


def _shown(attribute: str) -> str:
    return say(f"attributes.{attribute}") if has(f"attributes.{attribute}") else attribute
