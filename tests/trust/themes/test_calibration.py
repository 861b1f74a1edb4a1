"""Stated against true rates: a model that is too sure, one that is too modest, one that is as sure as it is right."""

from collections.abc import Mapping, Sequence
from typing import cast

import pytest
import torch

from capas.core.spec import Field
from capas.engine.recipes.single_output.heads.numbers_head import NumbersHead
from capas.metrics.calibration import CalibrationError, CalibrationMetric, ReliabilityBin
from capas.metrics.rate import rate
from capas.trust.subjects.structured import CalibrationSamples, ExampleEvaluation, StructuredModelUnderTest
from capas.trust.theme import Theme
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.calibration import FEW_EXAMPLES, calibration_theme
from capas.trust.time_budget import OutOfTime
from tests.trust.made_models import (
    Halves,
    StubAdapter,
    asked,
    half_pictures,
    halves_subject,
    images_reader,
    made_context,
    made_subject,
    texts_of,
)


def theme(scale: float, wrong: int, *, validation: int = 60, test: int = 200) -> Theme:
    """Logits ± ``scale`` · 0.47; of a hundred labels about ``wrong`` are the other one's."""
    seen = [i % 2 for i in range(validation + test)]
    drawn = (100 * torch.rand(len(seen), generator=torch.Generator().manual_seed(0))).tolist()
    labels = [1 - label if chance < wrong else label for label, chance in zip(seen, drawn, strict=True)]
    subject = halves_subject(labels, ["validation"] * validation + ["test"] * test, network=Halves(scale), seen=seen)
    return calibration_theme(asked(subject))


def value(facts: object) -> float:
    return float(cast(Mapping[str, float], facts)["value"])


def test_right_as_often_as_stated() -> None:
    # Logits ± 1.175: p = 1 / (1 + exp(−2.35)) = 0.913, where nine of ten are right.
    found = theme(2.5, 10)
    assert value(found.facts["expected_calibration_error"]) <= cast(float, found.facts["by_chance"]) < 0.15
    assert not found.findings
    bins = cast(Sequence[Mapping[str, object]], found.facts["bins"])
    assert sum(int(cast(Mapping[str, int], one["true"])["n"]) for one in bins) == 200
    assert found.facts["temperature"] == 1.0


@pytest.mark.parametrize(("scale", "wrong", "word", "error"), [(20.0, 30, "too high", 0.3), (0.1, 0, "too low", 0.476)])
def test_too_sure_and_too_modest(scale: float, wrong: int, word: str, error: float) -> None:
    found = theme(scale, wrong)
    assert value(found.facts["expected_calibration_error"]) == pytest.approx(error, abs=0.05)
    assert [one.key for one in found.findings] == ["miscalibrated"] and word in found.findings[0].text


@pytest.mark.parametrize(("by_chance", "keys"), [(0.12, []), (0.08, ["miscalibrated"])])
def test_an_error_that_chance_explains_is_none(
    by_chance: float, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of 10 % whose interval begins at 6 %: only what perfect models stay below tells one from the other."""
    error = CalibrationError(
        error=CalibrationMetric(value=0.1, n=200, interval=(0.06, 0.14)), by_chance=by_chance,
        bins=(ReliabilityBin(low=0.5, high=1.0, confidence=0.9, observed=rate(160, 200)),),
    )  # fmt: skip
    monkeypatch.setattr("capas.trust.themes.calibration.calibration_error", lambda *_: error)
    assert [one.key for one in theme(2.5, 10).findings] == keys


def test_sets_hold_the_true_class_as_often_as_promised() -> None:
    sets = cast(Mapping[str, Mapping[str, object]], theme(2.5, 10).facts["sets"])
    assert set(sets) == {"0.9", "0.95"}
    for level, found in sets.items():
        covered = cast(Mapping[str, object], found["covered"])
        low, high = cast(Sequence[float], covered["interval"])
        assert low - 0.05 <= float(level) <= high + 0.05 and 1 <= cast(float, found["mean_size"]) <= 2
    # No set without examples to set its threshold by.
    assert "sets" not in theme(2.5, 10, validation=39).facts and "sets" not in theme(2.5, 10, validation=0).facts


def test_few_examples_are_not_compared() -> None:
    found = theme(2.5, 10, test=99)
    assert found.status == "not_computed" and "99" in str(found.not_computed_because)


def structured(kind: str, count: int, statements: int, right: bool) -> Theme:
    """Examples of so many statements of 0.9, every second of which is ``right``, the others true."""
    held = {
        i: ExampleEvaluation(
            calibration_samples=CalibrationSamples(
                confidence=torch.full((statements,), 0.9), correct=torch.full((statements,), right or i % 2 == 0)
            ),
            label_issues=(),
        )
        for i in range(count)
    }
    context = made_context(texts_of(["a"] * count), [None] * count, ["test"] * count, task="label", kind="tokens")
    subject = StructuredModelUnderTest(StubAdapter(kind, held), context.record, context.indices, 0)
    context = made_context(texts_of(["a"] * count), [None] * count, ["test"] * count, task="label", kind="tokens",
                           structured=subject)  # fmt: skip
    return calibration_theme(ThemeContext(run_context=context, subject=None, level="standard"))


def test_many_statements_of_an_example_count_but_examples_are_drawn() -> None:
    found = structured("words", 40, 5, right=False)
    assert (found.facts["statements_of"], found.facts["examples"]) == ("words", 40)
    assert value(found.facts["expected_calibration_error"]) == pytest.approx(0.4, abs=0.1)
    assert cast(Mapping[str, int], found.facts["expected_calibration_error"])["n"] == 200
    assert [one.key for one in found.findings] == ["miscalibrated"]
    assert not structured("masks", 40, 5, right=True).findings[1:]


@pytest.mark.parametrize("reached", [9, 30])
def test_what_was_answered_in_time_is_compared(reached: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for = iter(range(100))
    answer = StubAdapter.evaluate_example

    def in_time(self: StubAdapter, index: int, position: int, rng: torch.Generator) -> ExampleEvaluation | None:
        if next(asked_for) == reached:
            raise OutOfTime
        return answer(self, index, position, rng)

    monkeypatch.setattr(StubAdapter, "evaluate_example", in_time)
    if reached < FEW_EXAMPLES:
        with pytest.raises(OutOfTime):
            structured("words", 40, 5, right=False)
        return
    found = structured("words", 40, 5, right=False)
    assert found.facts["examples"] == reached and found.out_of_time and "10 of 40" in found.partly_tested[0]


def test_too_few_examples_or_no_statement_at_all() -> None:
    assert structured("words", 9, 50, right=True).status == "not_computed"
    assert structured("words", 40, 2, right=True).status == "not_computed"
    assert "no probabilities" in str(structured("transforms", 40, 5, right=True).not_computed_because)


def intervals(covered: float, high: float) -> Theme:
    metrics: dict[str, object] = {
        "mae": {"value": 1.0, "n": 50, "interval": [0.9, 1.1], "unit": "cm"},
        "coverage": {"value": covered, "n": 50, "interval": [covered - 0.1, high]},
        "interval_width": {"value": 4.0, "n": 50, "unit": "cm"},
    }
    return numbers(metrics)


def numbers(metrics: Mapping[str, object]) -> Theme:
    context = made_context(half_pictures([0]), [(1.0,)], ["test"], task="regress",
                           metrics={"metrics": metrics, "baseline": {}})  # fmt: skip
    head = NumbersHead([Field(name="target", kind="number")])
    return calibration_theme(asked(made_subject(context, images_reader(), head)))


def test_intervals_of_numbers_are_those_of_the_test() -> None:
    found = intervals(0.7, 0.85)
    assert [one.key for one in found.findings] == ["intervals_do_not_cover"] and found.facts["level"] == 0.9
    assert not intervals(0.8, 0.895).findings
    assert numbers({"mae": {"value": 1.0, "n": 1, "interval": [0, 1], "unit": ""}}).status == "not_computed"
