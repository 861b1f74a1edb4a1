"""Theme of calibration: reliability of probabilities, conformal prediction sets, and coverage of intervals."""

from collections.abc import Mapping
from typing import cast

import torch

from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_metric, format_percent
from capas.metrics.calibration import (
    CalibrationError,
    CalibrationMetric,
    calibration_error,
    tag_confidences,
    top_class_confidences,
)
from capas.metrics.conformal_classification import PredictionSets, SetCoverage, set_coverage
from capas.trust.clustered_calibration import clustered_calibration_error
from capas.trust.pair_errors import compares_pairs, pair_calibration_theme
from capas.trust.rendering.blocks import Block, Grid, Plot, PlotSeries, Sentence
from capas.trust.subgroups.example_properties import example_properties
from capas.trust.subgroups.slices import MIN_SLICED, UncoveredSlice, quarter_slices, uncovered_slices
from capas.trust.subjects.regression_multilabel import output_targets
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.subjects.structured import CalibrationSamples, StructuredModelUnderTest
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import ThemeContext, ended_early, hardly_tested, test_example_count
from capas.trust.time_budget import OutOfTime

LEVELS = (0.9, 0.95)
FEW = 100
FEW_EXAMPLES = 10  # of which each makes many statements
LARGE_ERROR = 0.05
MIN_CALIBRATION = 40
UNEVEN_COVERAGE = 0.08


def calibration_theme(context: ThemeContext) -> Theme:
    """Return the theme of calibration."""
    subject = context.subject
    if compares_pairs(context.run_context.metrics):
        return pair_calibration_theme(context.run_context.metrics)
    if subject is None:
        return _of_many(context, context.structured)
    if subject.run_context.task == "regress":
        return _intervals(context)
    if len(subject.test) < FEW:
        return Theme(name="calibration", not_computed_because=say("trust.calibration.too_few", n=len(subject.test)))
    part, rng = subject.test, subject.run_context.rng("calibration")
    stated, true = (
        top_class_confidences(part.predictions, part.targets)
        if subject.run_context.task == "classify"
        else tag_confidences(part.predictions, part.targets > 0.5)
    )
    error = calibration_error(stated, true, rng)
    temperature = subject.temperature
    facts: dict[str, object] = {**_error_facts(error), "temperature": temperature}
    blocks: list[Block] = [
        _said(error),
        Sentence(
            text=say("trust.calibration.temperature", value=format_decimal(temperature, 2))
            if temperature != 1
            else say("trust.calibration.no_gain")
        ),
        _diagram(error),
    ]
    findings = _findings(error)
    if (
        subject.run_context.task == "classify"
        and subject.validation is not None
        and len(subject.validation) >= MIN_CALIBRATION
    ):
        sets = {level: _sets(subject, level, rng) for level in LEVELS}
        facts["sets"] = {str(level): _sets_json(found) for level, found in sets.items()}
        blocks.append(_sets_table(sets))
        findings += _uncovered(sets)
    return Theme(
        name="calibration", facts=facts, blocks=blocks, findings=findings, untested=[say("trust.calibration.untested")]
    )


def _of_many(context: ThemeContext, structured: StructuredModelUnderTest | None) -> Theme:
    """Of a label per pixel, word or frame, or of whole transcripts, drawn by whole examples."""
    if structured is None or structured.adapter.statements is None:
        return Theme(name="calibration", not_computed_because=say("trust.many.no_probability"))
    positions = structured.positions("test")
    held: list[CalibrationSamples] = []
    done = 0
    for number, position in enumerate(positions):
        try:
            answered = structured.evaluate_example(position)
        except OutOfTime:
            if len(held) < FEW_EXAMPLES:
                raise
            break
        done += 1
        if answered is not None and len(answered.calibration_samples.confidence):
            held.append(answered.calibration_samples)
        context.progress(number + 1, len(positions))
    if len(held) < FEW_EXAMPLES or sum(len(one.confidence) for one in held) < FEW:
        return Theme(name="calibration", not_computed_because=say("trust.calibration.too_few", n=len(held)))
    error = clustered_calibration_error(held, context.run_context.rng("calibration"))
    facts = {"statements_of": structured.kind, "examples": len(held), **_error_facts(error)}
    about = say(structured.adapter.statements, n=len(held))
    return Theme(
        name="calibration", facts=facts, blocks=[Sentence(text=about), _said(error), _diagram(error)],
        findings=_findings(error), untested=[say("trust.calibration.untested")],
        partly_tested=ended_early(context, say("trust.time.statements", n=len(positions) - done, all=len(positions)))
        if done < len(positions) else (), out_of_time=done < len(positions),
    )  # fmt: skip


def _said(error: CalibrationError) -> Sentence:
    figure = format_metric(_json(error.error))
    return Sentence(text=say("trust.calibration.error", error=figure, chance=format_percent(error.by_chance)))


def _error_facts(error: CalibrationError) -> dict[str, object]:
    return {
        "expected_calibration_error": _json(error.error),
        "by_chance": round(error.by_chance, 6),
        "bins": [{"stated": round(b.confidence, 4), "true": b.observed.as_json()} for b in error.bins],
    }


def _json(figure: CalibrationMetric) -> dict[str, object]:
    low, high = figure.interval
    return {"value": round(figure.value, 6), "n": figure.n, "interval": [round(low, 6), round(high, 6)]}


def _findings(error: CalibrationError) -> list[Finding]:
    """Only what chance does not explain, and what is large enough to mislead."""
    if error.explained_by_chance or error.error.interval[0] < LARGE_ERROR:
        return []
    low = sum(b.confidence * b.observed.n for b in error.bins) < sum(
        b.observed.value * b.observed.n for b in error.bins
    )
    key = "trust.calibration.too_modest" if low else "trust.calibration.too_sure"
    return [Finding(key="miscalibrated", gravity="attention", text=say(key, error=format_metric(_json(error.error))))]


def _diagram(error: CalibrationError) -> Plot:
    bins = error.bins
    own = PlotSeries(
        name=say("trust.calibration.found"),
        xs=[b.confidence for b in bins],
        ys=[b.observed.value for b in bins],
        lows=[b.observed.interval[0] for b in bins],
        highs=[b.observed.interval[1] for b in bins],
    )
    ideal = PlotSeries(name=say("trust.calibration.ideal"), xs=[0, 1], ys=[0, 1], dashed=True)
    description = "; ".join(f"{format_percent(b.confidence, 0)} → {format_percent(b.observed.value, 0)}" for b in bins)
    return Plot(
        title=say("trust.calibration.diagram"),
        x=say("trust.calibration.stated"),
        y=say("trust.calibration.true"),
        lines=[own, ideal],
        description=description,
        percent_x=True,
        note=say("trust.calibration.diagram_note", n=error.error.n, bins=len(bins)),
    )


def _sets(subject: ModelUnderTest, level: float, rng: torch.Generator) -> SetCoverage:
    held = subject.validation
    assert held is not None
    fitted = PredictionSets.fit(held.predictions, held.targets, rng, level=level)
    return set_coverage(fitted.sets(subject.test.predictions, rng), subject.test.targets)


def _sets_json(found: SetCoverage) -> dict[str, object]:
    return {
        "covered": found.coverage.as_json(),
        "mean_size": round(found.mean_size, 4),
        "single": found.single.as_json(),
    }


def _sets_table(sets: Mapping[float, SetCoverage]) -> Grid:
    heads = [say(f"trust.calibration.sets.{name}") for name in ("level", "covered", "size", "single")]
    rows = [
        [
            format_percent(level, 0),
            format_metric(c.coverage.as_json()),
            format_decimal(c.mean_size, 2),
            format_metric(c.single.as_json()),
        ]
        for level, c in sets.items()
    ]
    return Grid(
        title=say("trust.calibration.sets.title"),
        heads=heads,
        rows=rows,
        right=(0, 1, 2, 3),
        note=say("trust.calibration.sets.note"),
    )


def _uncovered(sets: Mapping[float, SetCoverage]) -> list[Finding]:
    missed = [(level, c) for level, c in sets.items() if c.coverage.interval[1] < level - 0.01]
    if not missed:
        return []
    level, found = missed[0]
    text = say(
        "trust.calibration.uncovered", level=format_percent(level, 0), found=format_metric(found.coverage.as_json())
    )
    return [Finding(key="sets_do_not_cover", gravity="attention", text=text)]


def _intervals(context: ThemeContext) -> Theme:
    """Of numbers: how often the truth lies inside the interval that is given with each."""
    metrics = cast(Mapping[str, Mapping[str, object]], context.run_context.metrics["metrics"])
    held = {name: figure for name, figure in metrics.items() if name.startswith("coverage")}
    if not held:
        return Theme(name="calibration", not_computed_because=say("trust.calibration.no_intervals"))
    level = 0.9
    findings = []
    for figure in held.values():
        high = cast(list[float], figure["interval"])[1]
        if high < level - 0.01:
            text = say("trust.calibration.uncovered", level=format_percent(level, 0), found=format_metric(figure))
            findings.append(Finding(key="intervals_do_not_cover", gravity="attention", text=text))
    uneven = _uncovered_slices(context, level)
    findings += [_uneven_finding(one, level) for one in uneven[:1]]
    widths = {name: figure for name, figure in metrics.items() if name.startswith("interval_width")}
    rows = [
        [
            name.removeprefix("coverage").lstrip("_") or context.run_context.record.spec.targets[0].name,
            format_percent(level, 0),
            format_metric(figure),
            format_metric(width),
        ]
        for (name, figure), width in zip(held.items(), widths.values(), strict=True)
    ]
    heads = [say(f"trust.calibration.intervals.{name}") for name in ("what", "level", "covered", "width")]
    grid = Grid(title=say("trust.calibration.intervals.title"), heads=heads, rows=rows, right=(1, 2, 3))
    facts: dict[str, object] = {
        "level": level,
        "coverage": dict(held),
        "width": dict(widths),
        "uncovered": [{"by": one.property, "where": one.name, "covered": one.covered.as_json()} for one in uneven],
    }
    return Theme(
        name="calibration",
        facts=facts,
        blocks=[grid],
        findings=findings,
        untested=[say("trust.calibration.untested")],
        partly_tested=hardly_tested(context, test_example_count(context)),
    )


def _uncovered_slices(context: ThemeContext, level: float) -> list[UncoveredSlice]:
    """Quarters of the estimate, and of every property and number, in which the intervals hold too little."""
    subject = context.subject
    if subject is None or test_example_count(context) < MIN_SLICED:
        return []
    values = output_targets(subject)
    if values is None:
        return []
    properties = {say("trust.calibration.estimate"): subject.test.predictions[:, 0].float()}
    properties |= example_properties(subject, subject.test)
    inside = values.is_correct(subject.test.outputs, values.targets)
    return uncovered_slices(inside, quarter_slices(properties), level, min_gap=UNEVEN_COVERAGE)


def _uneven_finding(one: UncoveredSlice, level: float) -> Finding:
    text = say(
        "trust.calibration.uneven",
        level=format_percent(level, 0),
        property=one.property,
        name=one.name,
        found=format_metric(one.covered.as_json()),
    )
    return Finding(key="intervals_uneven", gravity="attention", text=text)
