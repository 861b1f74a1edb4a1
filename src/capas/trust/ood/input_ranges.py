"""Ranges of plain measures of the inputs: what lies far outside those of the training inputs is out of distribution.

A network's features saturate: a row with one number 500 standard deviations off, or a category that it never saw, may
give features like any other. So each input is also judged by what can be measured without the network: the columns of
a row, the length and the bands of a sound, the unknown words of a text, the light and the edges of an image
(``input_measures``, ``word_statistics``). For each measure, with its share of training inputs on either side,

    surprise = −log₁₀ (2 min(P(X ≤ x), P(X ≥ x)))       within the range, 0..``END``
               END + (x − high) / (high − median)       above it; below it with ``low``

where ``low`` and ``high`` leave out a thousandth of the training inputs on either side: so measures with heavy tails
and with light ones count alike within the range, and END + 1 is as far outside as its end is from the median. The score
of an input is its largest surprise. A value that is missing where next to none was in training counts as ``FAR``.

Shapes: N inputs, M measures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

LEFT_OUT: Final = 0.001  # of the training inputs, on either side
END: Final = 3.0  # surprise at the end of the range
FAR: Final = 1e3  # the largest surprise
MIN_DECIDING: Final = END + 0.75  # a smaller surprise does not decide alone
DECIDING_SHARE: Final = 0.2  # of the alarms that are intended, those which a surprise may raise alone
MAX_KEPT: Final = 1000  # values of a measure
_CONSTANT: Final = 0.02  # of the median: so much is still the same
_NAMES: Final = "measures."
_STATE: Final = "state."


@dataclass(frozen=True, kw_only=True, slots=True)
class RangeViolation:
    """The measure of an input that lies furthest outside the training range.

    Attributes:
        measure: Its name.
        value: Its value; NaN where it is missing.
        low: Lower end of the training range.
        high: Upper end.
        surprise: How far outside, ``MIN_DECIDING`` or more.
    """

    measure: str
    value: float
    low: float
    high: float
    surprise: float


@dataclass(frozen=True, kw_only=True, slots=True)
class InputRanges:
    """The ranges of the measures of the training inputs.

    Attributes:
        names: Names of the measures.
        values: Values among the training inputs, ascending, shape (M, Q): all of up to 1,000, quantiles of more.
        low: Lower ends, shape (M,).
        middle: Medians, shape (M,).
        high: Upper ends, shape (M,).
        missing: Share of the training inputs without a value, shape (M,).
        state: What the measures themselves remember of the training inputs, such as its words.
        limit: Surprise from which on it decides alone; ∞ before ``with_limit``.
    """

    names: tuple[str, ...]
    values: Tensor
    low: Tensor
    middle: Tensor
    high: Tensor
    missing: Tensor
    state: Mapping[str, Tensor]
    limit: float = float("inf")

    @classmethod
    def fit(
        cls, measures: Mapping[str, Float[Tensor, " N"]], state: Mapping[str, Tensor] | None = None
    ) -> "InputRanges | None":
        """Fit to the measures of the training inputs, NaN where one has no value; None without measures or inputs."""
        held = {name: values.double() for name, values in measures.items() if not bool(values.isnan().all())}
        if not held:
            return None
        ends = torch.stack([_ends(values[~values.isnan()]) for values in held.values()])
        missing = torch.stack([values.isnan().double().mean() for values in held.values()])
        kept = torch.stack([_quantiles(values[~values.isnan()]) for values in held.values()])
        return cls(
            names=tuple(held),
            values=kept,
            low=ends[:, 0],
            middle=ends[:, 1],
            high=ends[:, 2],
            missing=missing,
            state=state or {},
        )

    def with_limit(self, calibration: Float[Tensor, " n"], target_fpr: float) -> "InputRanges":
        """Return the same with a limit that at most about a fifth of the intended alarms of calibration inputs exceed.

        Args:
            calibration: Scores of the calibration inputs.
            target_fpr: Share of alarms that is intended.
        """
        allowed = int(DECIDING_SHARE * target_fpr * (len(calibration) + 1))
        ordered = calibration.sort(descending=True).values
        limit = max(MIN_DECIDING, float(ordered[allowed])) if len(ordered) > allowed else MIN_DECIDING
        return replace(self, limit=limit)

    def surprises(self, measures: Mapping[str, Float[Tensor, " N"]]) -> Float[Tensor, "N M"]:
        """Return how surprising each measure of each input is, 0..``FAR``."""
        x = torch.stack([measures[name].double() for name in self.names], 1)
        inside = torch.stack([_tail(held, column) for held, column in zip(self.values, x.T, strict=True)], 1)
        same = _CONSTANT * self.middle.abs() + 1e-9
        above = (x - self.high) / torch.maximum(self.high - self.middle, same)
        below = (self.low - x) / torch.maximum(self.middle - self.low, same)
        outside = torch.maximum(above, below)
        known = torch.where(outside > 0, END + outside, -inside.clamp(min=10**-END).log10())
        without = torch.where(self.missing > LEFT_OUT, 0.0, FAR).expand_as(x)
        surprise: Tensor = torch.where(x.isnan(), without, known).clamp(max=FAR)
        return surprise

    def score(self, measures: Mapping[str, Float[Tensor, " N"]]) -> Float[Tensor, " N"]:
        """Return the largest surprise of each input, 0..``FAR``."""
        return self.surprises(measures).amax(1).float()

    def violations(self, measures: Mapping[str, Float[Tensor, " N"]]) -> list[RangeViolation | None]:
        """Return of each input the measure that lies furthest outside; None where none exceeds the limit."""
        surprises = self.surprises(measures)
        found: list[RangeViolation | None] = []
        largest = (part.tolist() for part in surprises.max(1))
        for row, (surprise, place) in enumerate(zip(*largest, strict=True)):
            name = self.names[place]
            low, high = float(self.low[place]), float(self.high[place])
            value = float(measures[name][row])
            one = RangeViolation(measure=name, value=value, low=low, high=high, surprise=surprise)
            found.append(one if surprise > self.limit else None)
        return found

    def tensors(self) -> dict[str, Tensor]:
        """Return the state for safetensors; a name is kept as its bytes."""
        names = {
            f"{_NAMES}{i}": torch.tensor(list(name.encode()), dtype=torch.uint8) for i, name in enumerate(self.names)
        }
        ends = torch.stack([self.low, self.middle, self.high, self.missing])
        limit = torch.tensor(self.limit, dtype=torch.float64)
        state = {_STATE + name: one for name, one in self.state.items()}
        return {**names, **state, "values": self.values.float(), "ends": ends, "limit": limit}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "InputRanges":
        """Build it from what ``tensors`` returned."""
        low, middle, high, missing = tensors["ends"]
        names = tuple(bytes(tensors[f"{_NAMES}{i}"].tolist()).decode() for i in range(len(low)))
        state = {name.removeprefix(_STATE): one for name, one in tensors.items() if name.startswith(_STATE)}
        return cls(
            names=names,
            values=tensors["values"].double(),
            low=low,
            middle=middle,
            high=high,
            missing=missing,
            state=state,
            limit=float(tensors["limit"]),
        )


def _ends(known: Float[Tensor, " N"]) -> Float[Tensor, "3"]:
    """The ends of the range and the median: values that occur."""
    ordered, last = known.sort().values, len(known) - 1
    left_out = int(LEFT_OUT * last)
    return torch.stack([ordered[left_out], ordered[last // 2], ordered[last - left_out]])


def _quantiles(known: Float[Tensor, " N"]) -> Float[Tensor, " Q"]:
    """Up to ``MAX_KEPT`` values that occur, ascending, evenly spread; repeated where there are fewer."""
    places = torch.linspace(0, len(known) - 1, MAX_KEPT).round().long()
    # As float32, in which they are kept: a value is then equal to itself when it is read again.
    return known.sort().values[places].float().double()


def _tail(held: Float[Tensor, " Q"], x: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """The smaller of the shares of training values up to x and from x on, doubled, 0..1."""
    rounded = x.float().double().nan_to_num().contiguous()
    up_to = torch.searchsorted(held, rounded, right=True)
    from_on = len(held) - torch.searchsorted(held, rounded)
    return (2 * torch.minimum(up_to, from_on).double() / len(held)).clamp(max=1)
