"""Theme of label quality: training labels that a cross-validated model does not believe, to be reviewed."""

import csv
import io
from collections.abc import Sequence

import torch
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_metric, format_percent
from capas.metrics.rate import rate
from capas.trust.label_quality.confident_learning import LabelErrors, find_label_errors
from capas.trust.label_quality.cross_validation import cross_validated_probabilities
from capas.trust.rendering.blocks import Block, Grid, ImageGallery, Sentence
from capas.trust.rendering.example_gallery import captioned_examples
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.labels_structured import structured_labels_theme

MIN_EXAMPLES, MIN_AGREEMENT = 100, 0.6
MANY = 0.02
SHOWN, LISTED = 12, 12
REVIEW = "labels-to-review.csv"


def labels_theme(context: ThemeContext) -> Theme:
    """Return the theme of label quality."""
    subject = context.subject
    if subject is None:
        return structured_labels_theme(context, context.structured)
    if context.run_context.task != "classify" or len(context.run_context.classes) < 2:
        return Theme(name="labels", not_computed_because=say("trust.labels.other_kind"))
    if len(subject.train) < MIN_EXAMPLES:
        return Theme(name="labels", not_computed_because=say("trust.labels.too_few", n=len(subject.train)))
    if context.level == "quick" and context.run_context.medium == "image":
        return Theme(name="labels", not_computed_because=say("trust.not_in_quick"))
    given = subject.train.targets
    probabilities = cross_validated_probabilities(subject, given, subject.run_context.rng("labels"), context.progress)
    agreement = rate(int((probabilities.argmax(1) == given).sum()), len(given))
    if agreement.value < MIN_AGREEMENT:
        share = format_percent(agreement.value, 0)
        return Theme(name="labels", not_computed_because=say("trust.labels.not_good_enough", share=share))
    found = find_label_errors(probabilities, given)
    likely = probabilities.argmax(1)
    suspected = rate(len(found.suspects), len(given)).as_json()
    facts: dict[str, object] = {
        "n": len(given),
        "agreement": agreement.as_json(),
        "suspects": suspected,
        "estimated_wrong_share": round(found.noise_rate, 6),
        "first": [_named(subject, i, likely) for i in found.suspects[:LISTED].tolist()],
    }
    blocks: list[Block] = [
        Sentence(
            text=say("trust.labels.about", n=format_decimal(len(given), 0), share=format_percent(agreement.value))
        ),
        *_first(subject, found, likely),
    ]
    files = {REVIEW: _review(subject, found, likely)} if len(found.suspects) else {}
    findings = _findings(len(found.suspects), len(given), suspected)
    return Theme(
        name="labels",
        facts=facts,
        blocks=blocks,
        findings=findings,
        files=files,
        untested=[say("trust.labels.untested")],
    )


def _findings(count: int, n: int, share: dict[str, object]) -> list[Finding]:
    if count < MANY * n:
        return []
    text = say("trust.labels.found", count=count, n=format_decimal(n, 0), share=format_metric(share))
    return [Finding(key="labels_probably_wrong", gravity="attention", text=text)]


def _named(subject: ModelUnderTest, i: int, likely: Tensor) -> dict[str, object]:
    case = subject.run_context
    return {
        "example": case.record.names[int(subject.train.positions[i])],
        "label": case.classes[int(subject.train.targets[i])],
        "probably": case.classes[int(likely[i])],
    }


def _first(subject: ModelUnderTest, found: LabelErrors, likely: Tensor) -> Sequence[Block]:
    if not len(found.suspects):
        return [Sentence(text=say("trust.labels.none"))]
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
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["example", "label", "probably", "probability_of_label"])
    for i in found.suspects.tolist():
        writer.writerow([*_named(subject, i, likely).values(), f"{float(found.self_confidence[i]):.6f}"])
    return text.getvalue().encode()
