"""What a verification model knows beside its weights: how cosines become probabilities, and the errors it makes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from capas.metrics.pair_calibration import PairCalibration
from capas.metrics.rate import Rate
from capas.metrics.verification import ErrorCurve, ScoredPairs, error_curve, honest_interval, identity_draws

MAX_THRESHOLDS: Final = 201


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationData:
    """The pairs that the probabilities were fitted to.

    Attributes:
        split: "validation", or "train" where the identities are too few for a validation split: then the probabilities
            are overconfident.
        genuine: Pairs of the same identity.
        impostor: Pairs of different ones.
        identities: Identities among them.
    """

    split: Literal["validation", "train"]
    genuine: int
    impostor: int
    identities: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorTable:
    """The error rates on the test pairs at thresholds on the cosine, each with its 95 % interval over identities.

    Attributes:
        thresholds: Ascending, (T,); a pair at or above one is taken for the same.
        false_match: FMR at each.
        false_match_low: Lower end of its interval; NaN, in JSON null, where there are too few identities.
        false_match_high: Upper end.
        false_non_match: FNMR at each.
        false_non_match_low: Lower end.
        false_non_match_high: Upper end.
        genuine: Test pairs of the same identity.
        impostor: Test pairs of different ones.
        identities: Identities among the test pairs.
    """

    thresholds: tuple[float, ...]
    false_match: tuple[float, ...]
    false_match_low: tuple[float | None, ...]
    false_match_high: tuple[float | None, ...]
    false_non_match: tuple[float, ...]
    false_non_match_low: tuple[float | None, ...]
    false_non_match_high: tuple[float | None, ...]
    genuine: int
    impostor: int
    identities: int

    def __post_init__(self) -> None:
        columns = (self.false_match, self.false_match_low, self.false_match_high, self.false_non_match,
                   self.false_non_match_low, self.false_non_match_high)  # fmt: skip
        if not self.thresholds or any(len(column) != len(self.thresholds) for column in columns):
            raise ValueError("columns of different lengths; expected one value for each threshold")

    def at(self, threshold: float) -> tuple[Rate, Rate]:
        """Return FMR and FNMR where pairs at or above ``threshold`` are taken for the same."""
        if math.isinf(threshold):  # the answer is always the same
            return _certain(float(threshold < 0), self.impostor), _certain(float(threshold > 0), self.genuine)
        place = min(int(np.searchsorted(self.thresholds, threshold, side="left")), len(self.thresholds) - 1)
        return (
            self._rate(self.false_match[place], self.impostor, self.false_match_low[place],
                       self.false_match_high[place]),
            self._rate(self.false_non_match[place], self.genuine, self.false_non_match_low[place],
                       self.false_non_match_high[place]),
        )  # fmt: skip

    def _rate(self, value: float, n: int, low: float | None, high: float | None) -> Rate:
        ends = (math.nan if low is None else low, math.nan if high is None else high)
        return Rate(value=value, n=n, interval=honest_interval(value, ends, self.identities))


@dataclass(frozen=True, kw_only=True, slots=True)
class VerificationAnswers:
    """The content of ``answers.json``.

    Attributes:
        calibration: From cosine to probability.
        calibrated_on: What it was fitted to.
        eer_threshold: The cosine at which both error rates were equal on those pairs.
        errors: The error rates on the test pairs.
    """

    calibration: PairCalibration
    calibrated_on: CalibrationData
    eer_threshold: float
    errors: ErrorTable

    def as_json(self) -> dict[str, object]:
        """Return it for JSON."""
        return asdict(self)

    @staticmethod
    def from_json(tree: Mapping[str, object]) -> "VerificationAnswers":
        """Read it. Raises pydantic's ValidationError."""
        return _ANSWERS.validate_python(dict(tree))


_ANSWERS: TypeAdapter[VerificationAnswers] = TypeAdapter(VerificationAnswers)


def error_table(pairs: ScoredPairs, *, seed: int = 0) -> ErrorTable:
    """Return the errors of test pairs at thresholds spread evenly over all that make a difference."""
    curve = error_curve(pairs)
    places = np.unique(np.linspace(0, len(curve.thresholds) - 1, MAX_THRESHOLDS).round().astype(np.int64))
    thresholds = curve.thresholds[places]
    drawn = identity_draws(pairs, seed=seed)
    enough = pairs.identities >= 5
    bands = _bands(pairs, drawn, thresholds) if enough else None
    return ErrorTable(
        thresholds=tuple(thresholds.tolist()),
        false_match=_rounded(curve.false_match[places]), false_non_match=_rounded(curve.false_non_match[places]),
        false_match_low=_ends(bands, 0, 0, len(places)), false_match_high=_ends(bands, 0, 1, len(places)),
        false_non_match_low=_ends(bands, 1, 0, len(places)), false_non_match_high=_ends(bands, 1, 1, len(places)),
        genuine=pairs.genuine, impostor=pairs.impostor, identities=pairs.identities,
    )  # fmt: skip


def _bands(pairs: ScoredPairs, drawn: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower and upper ends of FMR and FNMR at each threshold, (2, 2, T)."""
    rates = np.empty((2, len(drawn), len(thresholds)))
    for row, weights in enumerate(drawn):
        curve = error_curve(pairs, weights)
        at = np.minimum(np.searchsorted(curve.thresholds, thresholds, side="left"), len(curve.thresholds) - 1)
        rates[0, row], rates[1, row] = curve.false_match[at], curve.false_non_match[at]
    ends: NDArray[np.float64] = np.nanquantile(rates, [0.025, 0.975], axis=1)
    return ends.transpose(1, 0, 2)


def _ends(bands: NDArray[np.float64] | None, rate: int, end: int, count: int) -> tuple[float | None, ...]:
    return (None,) * count if bands is None else _rounded(bands[rate, end])


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(value, 6) for value in values.tolist())


def _certain(value: float, n: int) -> Rate:
    """A rate that follows from the threshold alone: every pair, or none, is taken for the same."""
    return Rate(value=value, n=n, interval=(value, value))


def curve_points(curve: ErrorCurve) -> Mapping[str, Sequence[float]]:
    """Return the points of ROC and DET, thinned out, for ``metrics.json``."""
    places = np.unique(np.linspace(0, len(curve.thresholds) - 1, MAX_THRESHOLDS).round().astype(np.int64))
    return {
        "threshold": _rounded(curve.thresholds[places]),
        "false_match": _rounded(curve.false_match[places]),
        "false_non_match": _rounded(curve.false_non_match[places]),
    }
