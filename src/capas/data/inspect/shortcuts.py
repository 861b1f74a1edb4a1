"""Shortcuts: attributes beside the content that predict the class (image size, a corner, audio length, a table column).

A network finds a shortcut, and fails where it is missing. Each attribute alone predicts the class: each of its values
(numbers in 16 bins of equal count) predicts the most frequent class among the *other* examples with that value. What
removes half of the errors of the majority class is reported.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from capas.core.i18n import has, say
from capas.data.problems import Problem, make_problem

BINS: Final = 16
MIN_EXAMPLES: Final = 40
MIN_GAIN: Final = 0.5  # share of the errors that an attribute must undo
MIN_LEAK_ACCURACY: Final = 0.99

Value = str | float | None


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
    # Examples of one class with one value are all judged alike: each such pair is looked at once.
    pairs = Counter(zip(_binned(values), classes, strict=True))
    held: dict[object, dict[str, int]] = defaultdict(dict)
    for (key, name), count in pairs.items():
        held[key][name] = count
    total = Counter(classes)
    overall = {name: _best_without(total, name) for name in total}
    right = 0
    for (key, name), count in pairs.items():
        alone = held[key] == {name: 1}  # no other example has this value
        right += count * ((overall[name] if alone else _best_without(held[key], name)) == name)
    return right / max(1, len(classes))


def _best_without(counts: Mapping[str, int], own: str) -> str:
    """The most frequent class when one example of ``own`` is taken away."""
    rest = {name: count - (name == own) for name, count in counts.items()}
    return max(rest, key=lambda name: rest[name])


def _binned(values: Sequence[Value]) -> list[object]:
    numbers = sorted(value for value in values if isinstance(value, float))
    if len(set(numbers)) <= BINS:
        return list(values)
    edges = [numbers[len(numbers) * k // BINS] for k in range(1, BINS)]
    return [bisect_right(edges, value) if isinstance(value, float) else value for value in values]


def find_shortcuts(attributes: Mapping[str, Sequence[Value]], classes: Sequence[str]) -> list[Shortcut]:
    """Return the attributes that predict the class too well, strongest first."""
    if len(classes) < MIN_EXAMPLES or len(set(classes)) < 2:
        return []
    chance = max(Counter(classes).values()) / len(classes)
    found = []
    for name, values in attributes.items():
        distinct = len(set(values))
        if distinct < 2 or (2 * distinct > len(values) and not isinstance(values[0], float)):
            continue
        found.append(
            Shortcut(attribute=name, accuracy=accuracy_from_attribute(values, classes), majority_accuracy=chance)
        )
    return sorted((s for s in found if s.gain >= MIN_GAIN), key=lambda s: -s.gain)


def shortcut_problems(
    attributes: Mapping[str, Sequence[Value]], columns: Mapping[str, Sequence[Value]], classes: Sequence[str]
) -> tuple[Problem, ...]:
    """Return a warning for ``attributes`` beside the content, and one for the ``columns`` that are no input."""
    problems = []
    for kind, held in (("shortcut", attributes), ("confounded", columns)):
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
