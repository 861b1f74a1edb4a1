"""Theme of label quality for numbers: targets in another unit, and targets far from what the inputs suggest."""

import io

from torch import Tensor

from capas.core.i18n import say
from capas.core.inert_text import InertWriter
from capas.core.number_format import format_decimal, format_metric, format_percent, format_quantity
from capas.metrics.rate import rate
from capas.trust.label_quality.number_outliers import MIN_NUMBERS, NumberIssues, find_number_issues
from capas.trust.rendering.blocks import Block, Grid, Sentence
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import ThemeContext

MIN_EXPLAINED = 0.2  # of the spread: estimates that explain less can accuse no number
SHOWN = 12
REVIEW = "labels-to-review.csv"


def number_labels_theme(context: ThemeContext, subject: ModelUnderTest) -> Theme:
    """Return the theme of the first target of a regression."""
    part, target = subject.train, context.run_context.record.spec.targets[0]
    if len(part) < MIN_NUMBERS:
        return Theme(name="labels", not_computed_because=say("trust.labels.too_few", n=len(part)))
    if subject.adapter.images is not None:
        return Theme(name="labels", not_computed_because=say("trust.labels.other_kind"))
    values = part.targets[:, 0]
    found = find_number_issues(subject.adapter.linear_features(part.prepared, 1), values)
    if found.explained < MIN_EXPLAINED and not len(found.other_unit):
        share = format_percent(max(0.0, found.explained), 0)
        return Theme(name="labels", not_computed_because=say("trust.labels.numbers.not_good_enough", share=share))
    order = [*found.other_unit.tolist(), *found.far.tolist()]
    facts: dict[str, object] = {
        "n": len(values),
        "explained": round(found.explained, 4),
        "other_unit": {**rate(len(found.other_unit), len(values)).as_json(), "factor": found.factor},
        "far": rate(len(found.far), len(values)).as_json(),
        "first": [_named(subject, i, values, found) for i in order[:SHOWN]],
    }
    about = say(
        "trust.labels.numbers.about", n=format_decimal(len(values), 0), share=format_percent(found.explained, 0)
    )
    blocks: list[Block] = [Sentence(text=about)]
    if order:
        rows = [[str(cell) for cell in _named(subject, i, values, found).values()] for i in order[:SHOWN]]
        heads = [say("trust.labels.example"), say("trust.labels.given"), say("trust.labels.numbers.estimate")]
        blocks.append(Grid(title=say("trust.labels.worst"), heads=heads, rows=rows, right=(1, 2)))
    return Theme(
        name="labels",
        facts=facts,
        blocks=blocks,
        findings=_findings(found, len(values), target.name),
        files={REVIEW: _review(subject, order, values, found)} if order else {},
        untested=[say("trust.labels.untested")],
    )


def _findings(found: NumberIssues, n: int, target: str) -> list[Finding]:
    findings = []
    if len(found.other_unit):
        too_small = found.factor < 1
        text = say(
            "trust.labels.numbers.too_small" if too_small else "trust.labels.numbers.too_large",
            name=target,
            share=format_metric(rate(len(found.other_unit), n).as_json()),
            count=len(found.other_unit),
            factor=format_quantity(1 / found.factor if too_small else found.factor),
        )
        findings.append(Finding(key="targets_in_another_unit", gravity="problem", text=text))
    if len(found.far):
        text = say(
            "trust.labels.numbers.far",
            name=target,
            count=len(found.far),
            share=format_metric(rate(len(found.far), n).as_json()),
        )
        findings.append(Finding(key="targets_probably_wrong", gravity="attention", text=text))
    return findings


def _named(subject: ModelUnderTest, i: int, values: Tensor, found: NumberIssues) -> dict[str, object]:
    return {
        "example": subject.run_context.record.names[int(subject.train.positions[i])],
        "given": format_quantity(float(values[i])),
        "estimate": format_quantity(float(found.estimates[i])),
    }


def _review(subject: ModelUnderTest, order: list[int], values: Tensor, found: NumberIssues) -> bytes:
    """The suspects as a table."""
    text = io.StringIO()
    writer = InertWriter(text)
    writer.writerow(["example", "given", "estimate"])
    for i in order:
        name = subject.run_context.record.names[int(subject.train.positions[i])]
        writer.writerow([name, f"{float(values[i]):.9g}", f"{float(found.estimates[i]):.6g}"])
    return text.getvalue().encode()
