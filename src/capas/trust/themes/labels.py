"""Theme of label quality: training labels that a cross-validated model does not believe, to be reviewed."""

import io
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from capas.core.i18n import say
from capas.core.inert_text import InertWriter
from capas.core.number_format import format_decimal, format_metric, format_percent
from capas.metrics.rate import rate
from capas.trust.label_quality.confident_learning import LabelErrors, find_label_errors
from capas.trust.label_quality.cross_validation import cross_validated_probabilities
from capas.trust.label_quality.noise_posterior import (
    LabelAccusation,
    OneSidedLabels,
    accuse_labels,
    one_sided_labels,
)
from capas.trust.rendering.blocks import Block, Grid, ImageGallery, Sentence
from capas.trust.rendering.example_gallery import captioned_examples
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.labels_numbers import number_labels_theme
from capas.trust.themes.labels_structured import structured_labels_theme

MIN_EXAMPLES, MIN_AGREEMENT = 100, 0.7
MANY = 0.01
SHOWN, LISTED = 12, 12
REVIEW = "labels-to-review.csv"


def labels_theme(context: ThemeContext) -> Theme:
    """Return the theme of label quality."""
    subject = context.subject
    if subject is None:
        return structured_labels_theme(context, context.structured)
    if context.run_context.task == "regress":
        return number_labels_theme(context, subject)
    if context.run_context.task != "classify" or len(context.run_context.classes) < 2:
        return Theme(name="labels", not_computed_because=say("trust.labels.other_kind"))
    if len(subject.train) < MIN_EXAMPLES:
        return Theme(name="labels", not_computed_because=say("trust.labels.too_few", n=len(subject.train)))
    given, classes = subject.train.targets, context.run_context.classes
    probabilities = cross_validated_probabilities(
        subject, given, subject.run_context.rng("labels"), context.progress, quick=context.level == "quick"
    )
    agreement = rate(int((probabilities.argmax(1) == given).sum()), len(given))
    if agreement.value < MIN_AGREEMENT:
        share = format_percent(agreement.value, 0)
        return Theme(name="labels", not_computed_because=say("trust.labels.not_good_enough", share=share))
    accusation = accuse_labels(probabilities, given, most=_most(subject))
    found = _accused(find_label_errors(probabilities, given), accusation)
    likely = probabilities.argmax(1)
    suspected = rate(len(found.suspects), len(given)).as_json()
    one_sided = one_sided_labels(probabilities, given)
    facts: dict[str, object] = {
        "n": len(given),
        "agreement": agreement.as_json(),
        "suspects": suspected,
        "expected_precision": round(accusation.precision, 4),
        "disagreements": {"found": accusation.disagreements, "expected_by_overlap": round(accusation.expected, 1)},
        "one_sided": [
            {"looks": classes[one.looks], "label": classes[one.label], "count": one.count, "reverse": one.reverse}
            for one in one_sided
        ],
        "first": [_named(subject, i, likely) for i in found.suspects[:LISTED].tolist()],
    }
    blocks: list[Block] = [
        Sentence(
            text=say("trust.labels.about", n=format_decimal(len(given), 0), share=format_percent(agreement.value))
        ),
        *_first(subject, found, likely, accusation),
    ]
    files = {REVIEW: _review(subject, found, likely)} if len(found.suspects) else {}
    findings = _findings(len(found.suspects), len(given), suspected, accusation.precision)
    findings += [_one_sided_finding(one, classes) for one in one_sided[:1]]
    return Theme(
        name="labels",
        facts=facts,
        blocks=blocks,
        findings=findings,
        files=files,
        untested=[say("trust.labels.untested")],
    )


def _most(subject: ModelUnderTest) -> int:
    """No more labels than the test error allows: the test's labels are of the same kind, and every wrong one costs."""
    if "test" not in subject.run_context.record.splits:
        return len(subject.train)
    wrong = int((subject.test.predictions.argmax(1) != subject.test.targets).sum())
    return int(rate(wrong, len(subject.test)).interval[1] * len(subject.train))


def _accused(found: LabelErrors, accusation: LabelAccusation) -> LabelErrors:
    """Of the suspected labels those that may be accused."""
    return replace(found, suspects=found.suspects[torch.isin(found.suspects, accusation.accused)])


def _one_sided_finding(one: OneSidedLabels, classes: Sequence[str]) -> Finding:
    text = say(
        "trust.labels.one_sided",
        looks=classes[one.looks],
        given=classes[one.label],
        count=one.count,
        reverse=one.reverse,
    )
    return Finding(key="labels_one_sided", gravity="attention", text=text)


def _findings(count: int, n: int, share: dict[str, object], precision: float) -> list[Finding]:
    if count < MANY * n:
        return []
    text = say(
        "trust.labels.found",
        count=count,
        n=format_decimal(n, 0),
        share=format_metric(share),
        innocent=format_percent(1 - precision, 0),
    )
    return [Finding(key="labels_probably_wrong", gravity="attention", text=text)]


def _named(subject: ModelUnderTest, i: int, likely: Tensor) -> dict[str, object]:
    case = subject.run_context
    return {
        "example": case.record.names[int(subject.train.positions[i])],
        "label": case.classes[int(subject.train.targets[i])],
        "probably": case.classes[int(likely[i])],
    }


def _first(subject: ModelUnderTest, found: LabelErrors, likely: Tensor, accusation: LabelAccusation) -> Sequence[Block]:
    if not len(found.suspects):
        count, expected = accusation.disagreements, format_decimal(accusation.expected, 0)
        return [Sentence(text=say("trust.labels.hard_to_tell", count=count, expected=expected))]
    order = found.suspects[:SHOWN]
    rows = [_named(subject, i, likely) for i in order.tolist()]
    captions = [
        say("trust.labels.caption", name=str(r["example"]), given=str(r["label"]), likely=str(r["probably"]))
        for r in rows
    ]
    n = len(subject.train)
    said = Sentence(text=say("trust.labels.some", count=len(found.suspects), n=format_decimal(n, 0)))
    pictures = captioned_examples(subject, subject.train, torch.as_tensor(order), captions)
    if pictures:
        return [said, ImageGallery(title=say("trust.labels.worst"), images=pictures)]
    heads = [say(f"trust.labels.{name}") for name in ("example", "given", "likely")]
    return [said, Grid(title=say("trust.labels.worst"), heads=heads, rows=[[str(v) for v in r.values()] for r in rows])]


def _review(subject: ModelUnderTest, found: LabelErrors, likely: Tensor) -> bytes:
    """The suspects as a table, the most doubtful first."""
    text = io.StringIO()
    writer = InertWriter(text)
    writer.writerow(["example", "label", "probably", "probability_of_label"])
    for i in found.suspects.tolist():
        writer.writerow([*_named(subject, i, likely).values(), f"{float(found.self_confidence[i]):.6f}"])
    return text.getvalue().encode()
