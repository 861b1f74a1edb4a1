"""Are its probabilities true? Stated against found, sets of classes that hold the true one, intervals of numbers."""

from collections.abc import Mapping
from typing import cast

import torch

from capas.core.figures import decimal, figure_text, percent
from capas.core.messages import say
from capas.tasks.calibration import CalibrationError, Figure, calibration_error, class_statements, tag_statements
from capas.tasks.conformal import Coverage, PredictionSets, coverage
from capas.trust.asked import Asked
from capas.trust.blocks import Block, Grid, Line, Plot, Sentence
from capas.trust.calibration_by_example import error_by_example
from capas.trust.many import Many
from capas.trust.subject import Subject
from capas.trust.theme import Finding, Theme

LEVELS = (0.9, 0.95)
FEW = 100
FEW_EXAMPLES = 10  # of which each makes many statements
LARGE_ERROR = 0.05
LEAST_CALIBRATION = 40


def calibration(asked: Asked) -> Theme:
    """See the module."""
    subject = asked.subject
    if subject is None:
        return _of_many(asked, asked.many)
    if subject.case.task == "regress":
        return _intervals(asked)
    if len(subject.test) < FEW:
        return Theme(name="calibration", not_computed_because=say("trust.calibration.too_few", n=len(subject.test)))
    part, rng = subject.test, subject.case.chance("calibration")
    stated, true = (
        class_statements(part.answers, part.targets)
        if subject.case.task == "classify"
        else tag_statements(part.answers, part.targets > 0.5)
    )
    error = calibration_error(stated, true, rng)
    temperature = subject.temperature
    facts: dict[str, object] = {**_error_facts(error), "temperature": temperature}
    blocks: list[Block] = [
        _said(error),
        Sentence(
            text=say("trust.calibration.temperature", value=decimal(temperature, 2))
            if temperature != 1
            else say("trust.calibration.no_gain")
        ),
        _diagram(error),
    ]
    findings = _findings(error)
    if (
        subject.case.task == "classify"
        and subject.validation is not None
        and len(subject.validation) >= LEAST_CALIBRATION
    ):
        sets = {level: _sets(subject, level, rng) for level in LEVELS}
        facts["sets"] = {str(level): _sets_json(found) for level, found in sets.items()}
        blocks.append(_sets_table(sets))
        findings += _uncovered(sets)
    return Theme(
        name="calibration", facts=facts, blocks=blocks, findings=findings, untested=[say("trust.calibration.untested")]
    )


def _of_many(asked: Asked, many: Many | None) -> Theme:
    """Of a label per pixel, word or frame, or of whole transcripts, drawn by whole examples."""
    if many is None or many.kind not in ("masks", "words", "frames", "transcripts"):
        return Theme(name="calibration", not_computed_because=say("trust.many.no_probability"))
    positions, held = many.positions("test"), []
    for number, position in enumerate(positions):
        answered = many.answered(position)
        if answered is not None and len(answered.statements.stated):
            held.append(answered.statements)
        asked.progress(number + 1, len(positions))
    if len(held) < FEW_EXAMPLES or sum(len(one.stated) for one in held) < FEW:
        return Theme(name="calibration", not_computed_because=say("trust.calibration.too_few", n=len(held)))
    error = error_by_example(held, asked.case.chance("calibration"))
    facts = {"statements_of": many.kind, "examples": len(held), **_error_facts(error)}
    about = {
        "masks": say("trust.many.statements_masks", n=len(held)),
        "words": say("trust.many.statements_words", n=len(held)),
        "frames": say("trust.many.statements_frames", n=len(held)),
        "transcripts": say("trust.many.statements_transcripts", n=len(held)),
    }[many.kind]
    return Theme(
        name="calibration", facts=facts, blocks=[Sentence(text=about), _said(error), _diagram(error)],
        findings=_findings(error), untested=[say("trust.calibration.untested")],
    )  # fmt: skip


def _said(error: CalibrationError) -> Sentence:
    figure = figure_text(_json(error.error))
    return Sentence(text=say("trust.calibration.error", error=figure, chance=percent(error.by_chance)))


def _error_facts(error: CalibrationError) -> dict[str, object]:
    return {
        "expected_calibration_error": _json(error.error),
        "by_chance": round(error.by_chance, 6),
        "bins": [{"stated": round(b.stated, 4), "true": b.true.as_json()} for b in error.bins],
    }


def _json(figure: Figure) -> dict[str, object]:
    low, high = figure.interval
    return {"value": round(figure.value, 6), "n": figure.n, "interval": [round(low, 6), round(high, 6)]}


def _findings(error: CalibrationError) -> list[Finding]:
    """Only what chance does not explain, and what is large enough to mislead."""
    if error.explained_by_chance or error.error.interval[0] < LARGE_ERROR:
        return []
    low = sum(b.stated * b.true.n for b in error.bins) < sum(b.true.value * b.true.n for b in error.bins)
    key = "trust.calibration.too_modest" if low else "trust.calibration.too_sure"
    return [Finding(key="miscalibrated", gravity="attention", text=say(key, error=figure_text(_json(error.error))))]


def _diagram(error: CalibrationError) -> Plot:
    bins = error.bins
    own = Line(
        name=say("trust.calibration.found"),
        xs=[b.stated for b in bins],
        ys=[b.true.value for b in bins],
        lows=[b.true.interval[0] for b in bins],
        highs=[b.true.interval[1] for b in bins],
    )
    ideal = Line(name=say("trust.calibration.ideal"), xs=[0, 1], ys=[0, 1], dashed=True)
    description = "; ".join(f"{percent(b.stated, 0)} → {percent(b.true.value, 0)}" for b in bins)
    return Plot(
        title=say("trust.calibration.diagram"),
        x=say("trust.calibration.stated"),
        y=say("trust.calibration.true"),
        lines=[own, ideal],
        description=description,
        percent_x=True,
        note=say("trust.calibration.diagram_note", n=error.error.n, bins=len(bins)),
    )


def _sets(subject: Subject, level: float, rng: torch.Generator) -> Coverage:
    held = subject.validation
    assert held is not None
    fitted = PredictionSets.fit(held.answers, held.targets, rng, level=level)
    return coverage(fitted.sets(subject.test.answers, rng), subject.test.targets)


def _sets_json(found: Coverage) -> dict[str, object]:
    return {
        "covered": found.covered.as_json(),
        "mean_size": round(found.mean_size, 4),
        "single": found.single.as_json(),
    }


def _sets_table(sets: Mapping[float, Coverage]) -> Grid:
    heads = [say(f"trust.calibration.sets.{name}") for name in ("level", "covered", "size", "single")]
    rows = [
        [percent(level, 0), figure_text(c.covered.as_json()), decimal(c.mean_size, 2), figure_text(c.single.as_json())]
        for level, c in sets.items()
    ]
    return Grid(
        title=say("trust.calibration.sets.title"),
        heads=heads,
        rows=rows,
        right=(0, 1, 2, 3),
        note=say("trust.calibration.sets.note"),
    )


def _uncovered(sets: Mapping[float, Coverage]) -> list[Finding]:
    missed = [(level, c) for level, c in sets.items() if c.covered.interval[1] < level - 0.01]
    if not missed:
        return []
    level, found = missed[0]
    text = say("trust.calibration.uncovered", level=percent(level, 0), found=figure_text(found.covered.as_json()))
    return [Finding(key="sets_do_not_cover", gravity="attention", text=text)]


def _intervals(asked: Asked) -> Theme:
    """Of numbers: how often the truth lies inside the interval that is given with each."""
    metrics = cast(Mapping[str, Mapping[str, object]], asked.case.metrics["metrics"])
    held = {name: figure for name, figure in metrics.items() if name.startswith("coverage")}
    if not held:
        return Theme(name="calibration", not_computed_because=say("trust.calibration.no_intervals"))
    level = 0.9
    findings = []
    for figure in held.values():
        high = cast(list[float], figure["interval"])[1]
        if high < level - 0.01:
            text = say("trust.calibration.uncovered", level=percent(level, 0), found=figure_text(figure))
            findings.append(Finding(key="intervals_do_not_cover", gravity="attention", text=text))
    widths = {name: figure for name, figure in metrics.items() if name.startswith("interval_width")}
    rows = [
        [
            name.removeprefix("coverage").lstrip("_") or asked.case.record.spec.targets[0].name,
            percent(level, 0),
            figure_text(figure),
            figure_text(width),
        ]
        for (name, figure), width in zip(held.items(), widths.values(), strict=True)
    ]
    heads = [say(f"trust.calibration.intervals.{name}") for name in ("what", "level", "covered", "width")]
    grid = Grid(title=say("trust.calibration.intervals.title"), heads=heads, rows=rows, right=(1, 2, 3))
    facts: dict[str, object] = {"level": level, "coverage": dict(held), "width": dict(widths)}
    return Theme(
        name="calibration", facts=facts, blocks=[grid], findings=findings, untested=[say("trust.calibration.untested")]
    )
