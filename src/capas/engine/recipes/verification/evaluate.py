"""How well a model tells whether two examples are of the same identity, on pairs of identities that it has not seen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from capas.engine.recipe import TestResult
from capas.engine.recipes.verification.answers import ErrorTable, curve_points, error_table
from capas.engine.recipes.verification.pairs import PairIndices, choose_pairs
from capas.metrics.pair_calibration import PairCalibration
from capas.metrics.rate import Rate
from capas.metrics.verification import (
    ScoredPairs,
    area_under_roc,
    balanced_calibration_error,
    equal_error_rate,
    error_curve,
    honest_interval,
    identity_draws,
    interval_over_identities,
    rates_at,
    true_match_rate,
)

MIN_GROUP_PAIRS: Final = 30  # of each kind: of fewer no rate of a group is told
MIN_GROUP_IDENTITIES: Final = 5
FALSE_MATCH_RATE: Final = 0.01
EER: Final = "eer"


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledExamples:
    """Examples whose identity is known.

    Attributes:
        names: Their names, (N,).
        identities: Their identities, (N,).
        groups: Further columns by name: the value of each example, "" where it has none.
    """

    names: Sequence[str]
    identities: NDArray[np.int64]
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class VerificationTest:
    """The result on test pairs.

    Attributes:
        result: Metrics, baselines and rows.
        errors: The error rates at all thresholds.
    """

    result: TestResult
    errors: ErrorTable


def scored_pairs(vectors: Tensor, identities: NDArray[np.int64], pairs: PairIndices) -> ScoredPairs:
    """Return the cosine of each pair of rows of ``vectors`` (N, D)."""
    unit = functional.normalize(vectors.double(), dim=1).numpy()
    cosines = np.einsum("pd,pd->p", unit[pairs.first], unit[pairs.second])
    return ScoredPairs(scores=cosines, same=pairs.same, first=identities[pairs.first], second=identities[pairs.second])


def evaluate_verification(
    examples: LabelledExamples,
    vectors: Tensor,
    calibration: PairCalibration,
    threshold: float,
    baselines: Mapping[str, Callable[[], Tensor]],
    *,
    seed: int = 0,
) -> VerificationTest:
    """Compare all pairs of the examples, or as many as ``choose_pairs`` draws.

    Args:
        examples: Two identities or more, one of them with two examples or more.
        vectors: Their embeddings, (N, D).
        calibration: From cosine to probability.
        threshold: The cosine of the equal error rate on validation, at which groups are compared.
        baselines: Vectors (N, D') of what it is compared with, by name.
        seed: Of the pairs and of the intervals.
    """
    chosen = choose_pairs(examples.identities, seed=seed)
    pairs = scored_pairs(vectors, examples.identities, chosen)
    drawn = identity_draws(pairs, seed=seed)
    curve, n = error_curve(pairs), len(pairs.scores)
    probabilities = calibration.probability(pairs.scores)

    def told(figure: Callable[[NDArray[np.float64]], float], n: int) -> dict[str, object]:
        value = figure(np.ones(len(pairs.scores)))
        return Rate(value=value, n=n, interval=interval_over_identities(pairs, drawn, figure)).as_json()

    def told_rate(figure: Callable[[NDArray[np.float64]], float], n: int) -> dict[str, object]:
        value = figure(np.ones(len(pairs.scores)))
        interval = interval_over_identities(pairs, drawn, figure)
        return Rate(value=value, n=n, interval=honest_interval(value, interval, pairs.identities)).as_json()

    others = {name: scored_pairs(of(), examples.identities, chosen) for name, of in baselines.items()}
    metrics = {
        EER: told_rate(lambda w: _eer(pairs, w), n),
        "auc": told_rate(lambda w: area_under_roc(error_curve(pairs, w)), n),
        "tar_at_far_1": told_rate(lambda w: true_match_rate(error_curve(pairs, w), FALSE_MATCH_RATE), pairs.genuine),
        "expected_calibration_error": _calibration_error(pairs, probabilities, drawn),
    }
    return VerificationTest(
        result=TestResult(
            n=len(examples.names), metrics=metrics,
            baseline={name: {EER: told_rate(partial(_eer, of), n)} for name, of in others.items()},
            gains={name: told(partial(_eer_gain, of, pairs), n) for name, of in others.items()},
            rows=_rows(examples, chosen, pairs, probabilities),
            further={
                "pairs": {
                    "n_genuine": pairs.genuine, "n_impostor": pairs.impostor, "identities": pairs.identities,
                },
                "verification": {"curve": curve_points(curve), "threshold": round(threshold, 6)},
                **_by_group(examples, chosen, pairs, threshold, seed),
            },
        ),
        errors=error_table(pairs, seed=seed),
    )  # fmt: skip


def _calibration_error(
    pairs: ScoredPairs, probabilities: NDArray[np.float64], drawn: NDArray[np.float64]
) -> dict[str, object]:
    """With the basic bootstrap's interval, 2·value − ends: resampling adds to the error what chance had added already,
    and this takes it off."""

    def figure(weights: NDArray[np.float64]) -> float:
        return balanced_calibration_error(probabilities, pairs.same, weights)

    value = figure(np.ones(len(pairs.scores)))
    low, high = (2 * value - end for end in reversed(interval_over_identities(pairs, drawn, figure)))
    interval = (min(value, max(0.0, low)), max(value, min(1.0, high)))
    return Rate(value=value, n=len(pairs.scores), interval=(low, high) if np.isnan(low) else interval).as_json()


def _eer(pairs: ScoredPairs, weights: NDArray[np.float64]) -> float:
    return equal_error_rate(error_curve(pairs, weights))[0]


def _eer_gain(others: ScoredPairs, own: ScoredPairs, weights: NDArray[np.float64]) -> float:
    return _eer(others, weights) - _eer(own, weights)


def _rows(
    examples: LabelledExamples, chosen: PairIndices, pairs: ScoredPairs, probabilities: NDArray[np.float64]
) -> list[list[str]]:
    columns = zip(chosen.first, chosen.second, pairs.same, pairs.scores, probabilities, strict=True)
    return [
        ["first", "second", "same", "cosine", "probability"],
        *(
            [examples.names[a], examples.names[b], str(bool(same)).lower(), f"{cosine:.6f}", f"{p:.6f}"]
            for a, b, same, cosine, p in columns
        ),
    ]


def _by_group(
    examples: LabelledExamples, chosen: PairIndices, pairs: ScoredPairs, threshold: float, seed: int
) -> dict[str, object]:
    """Both error rates among the pairs within each group, at the one threshold that all are judged by."""
    told: dict[str, dict[str, object]] = {}
    for column, values in examples.groups.items():
        held = np.array(values)
        rows: dict[str, object] = {}
        for value in sorted(set(values) - {""}):
            inside = (held[chosen.first] == value) & (held[chosen.second] == value)
            rows[value] = _group(pairs, inside, threshold, seed)
        told[column] = rows
    return {"per_group": told} if told else {}


def _group(pairs: ScoredPairs, inside: NDArray[np.bool_], threshold: float, seed: int) -> dict[str, object]:
    genuine, impostor = int((inside & pairs.same).sum()), int((inside & ~pairs.same).sum())
    names = np.unique(np.concatenate([pairs.first[inside], pairs.second[inside]]))
    counts = {"n_genuine": genuine, "n_impostor": impostor, "identities": len(names)}
    if min(genuine, impostor) < MIN_GROUP_PAIRS or len(names) < MIN_GROUP_IDENTITIES:
        return {**counts, "too_few": True}
    own = pairs.take(inside)
    drawn = identity_draws(own, seed=seed)
    rates: dict[str, object] = {}
    for which, name, n in ((0, "false_match", impostor), (1, "false_non_match", genuine)):

        def figure(weights: NDArray[np.float64], which: int = which) -> float:
            return rates_at(error_curve(own, weights), threshold)[which]

        value = figure(np.ones(len(own.scores)))
        interval = honest_interval(value, interval_over_identities(own, drawn, figure), len(names))
        rates[name] = Rate(value=value, n=n, interval=interval).as_json()
    return {**counts, **rates, "too_few": False}
