"""Columns that give the target away together, or by being empty: known only once the target is.

Shapes: N examples.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from capas.data.inspect.shortcuts import MIN_EXAMPLES, MIN_LEAK_ACCURACY, accuracy_from_attribute, find_shortcuts

MAX_COLUMNS: Final = 12
MIN_GAIN: Final = 0.5  # of the errors that the better of the two alone makes
EXACT: Final = 0.999


def giveaway_pair(numbers: Mapping[str, Float[Tensor, " N"]], classes: Sequence[str]) -> tuple[str, str, float] | None:
    """Return the two columns whose difference or sum tells the class far better than either alone, and how well."""
    names = list(numbers)[:MAX_COLUMNS]
    if len(classes) < MIN_EXAMPLES or len(set(classes)) < 2:
        return None
    scaled = {name: _standardised(numbers[name]) for name in names}
    alone = {name: accuracy_from_attribute(_values(numbers[name]), classes) for name in names}
    best: tuple[float, str, str] | None = None
    for a, b in combinations(names, 2):
        usable = max(alone[a], alone[b]) < MIN_LEAK_ACCURACY
        for one, other in ((numbers[a], numbers[b]), (scaled[a], scaled[b])) if usable else ():
            for made in (one - other, one + other):
                found = accuracy_from_attribute(_values(made), classes)
                enough = found >= MIN_LEAK_ACCURACY and 1 - found <= MIN_GAIN * (1 - max(alone[a], alone[b]))
                if enough and (best is None or found > best[0]):
                    best = (found, a, b)
    return None if best is None else (best[1], best[2], best[0])


def exact_pair(
    numbers: Mapping[str, Float[Tensor, " N"]], target: Float[Tensor, " N"]
) -> tuple[str, str, float] | None:
    """Return two columns whose weighted sum or product explains 99.9 % of the target's variance; none alone does."""
    names = list(numbers)[:MAX_COLUMNS]
    known = {name: values.double().nan_to_num(0.0) for name, values in numbers.items()}
    if len(target) < MIN_EXAMPLES or any(_explained([known[n]], target) >= EXACT for n in names):
        return None
    found = [
        (max(_explained([known[a], known[b]], target), _explained([known[a] * known[b]], target)), a, b)
        for a, b in combinations(names, 2)
    ]
    best = max(found, default=(0.0, "", ""))
    return (best[1], best[2], best[0]) if best[0] >= EXACT else None


def telling_gaps(columns: Mapping[str, Sequence[object]], classes: Sequence[str]) -> list[tuple[str, float]]:
    """Return the columns whose being empty tells the class, with how well: filled in once the class is known."""
    gaps = {name: ["–" if cell in (None, "") else "+" for cell in cells] for name, cells in columns.items()}
    return [(one.attribute, one.accuracy) for one in find_shortcuts(gaps, classes) if one.accuracy >= MIN_LEAK_ACCURACY]


def _values(numbers: Tensor) -> list[float | None]:
    return [value if value == value else None for value in numbers.tolist()]


def _standardised(values: Tensor) -> Tensor:
    known = values[~values.isnan()].double()
    return (values.double() - known.mean()) / known.std().clamp(min=1e-12) if len(known) > 1 else values.double()


def _explained(columns: Sequence[Tensor], target: Tensor) -> float:
    """R² of a least-squares fit."""
    x = torch.stack([*columns, torch.ones_like(columns[0])], 1)
    y = target.double()
    left = y - x @ torch.linalg.lstsq(x, y[:, None], driver="gelsd").solution[:, 0]
    return float(1 - left.square().sum() / (y - y.mean()).square().sum().clamp(min=1e-12))
