"""Theme of label quality for structured outputs: the labels that the model finds least probable, to be reviewed.

Only of the validation and test examples: a network that was trained on a label believes it, right or wrong. So this
says nothing of the training labels, and an improbable label may be right: it is a list, not a verdict.
"""

import io
from collections.abc import Sequence

import torch
from torch import Tensor

from capas.core.i18n import say
from capas.core.inert_text import InertWriter
from capas.core.number_format import format_decimal, format_metric, format_percent
from capas.metrics.rate import rate
from capas.trust.label_quality.swapped_masks import class_shares, swapped_masks
from capas.trust.pair_errors import compares_pairs
from capas.trust.rendering.blocks import Block, CaptionedImage, Grid, ImageGallery, Sentence
from capas.trust.subjects.structured import LabelIssue, StructuredModelUnderTest
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import ThemeContext

SHOWN, PICTURED, LISTED = 12, 6, 300
MIN_AGREEMENT = 0.6  # of the labels: a model that agrees with fewer can accuse none
MAX_LABEL_PROBABILITY = 0.5  # of the given label: a larger share of the probability is no doubt
MAX_MASKS = 400  # of a split, to be compared with what was drawn
MIN_MIXED_UP = 3  # one or two may fit by chance
REVIEW = "given-labels-believed-least.csv"


def structured_labels_theme(context: ThemeContext, structured: StructuredModelUnderTest | None) -> Theme:
    """Return the theme for structured outputs."""
    if compares_pairs(context.run_context.metrics):
        return Theme(name="labels", not_computed_because=say("trust.pairs.no_labels"))
    if structured is None or structured.adapter.statements is None:
        return Theme(name="labels", not_computed_because=say("trust.many.no_labels"))
    positions = sorted({*structured.positions("validation"), *structured.positions("test")})
    doubts, checked, agreed = list[LabelIssue](), 0, 0
    for number, position in enumerate(positions):
        answered = structured.evaluate_example(position)
        held = () if answered is None else answered.label_issues
        doubts += [
            one
            for one in held
            if one.predicted_label != one.given_label and one.given_label_probability < MAX_LABEL_PROBABILITY
        ]
        checked += len(held)
        agreed += sum(one.predicted_label == one.given_label for one in held)
        context.progress(number + 1, len(positions))
    if agreed < MIN_AGREEMENT * checked:
        share = format_percent(agreed / checked, 0)
        return Theme(name="labels", not_computed_because=say("trust.many.labels_not_good_enough", share=share))
    mixed_up = _mixed_up(context, structured, positions)
    doubts.sort(key=lambda one: one.given_label_probability)
    facts: dict[str, object] = {
        "n": checked,
        "examples": len(positions),
        "agreement": rate(agreed, checked).as_json(),
        "not_believed": len(doubts),
        "first": [_named(context, one) for one in doubts[:SHOWN]],
        "masks_of_others": [list(pair) for pair in mixed_up],
    }
    findings = _mixed_up_findings(mixed_up, len(positions))
    about = say("trust.many.labels_about", n=format_decimal(checked, 0), examples=format_decimal(len(positions), 0))
    blocks: list[Block] = [Sentence(text=about)]
    if not doubts:
        return Theme(name="labels", facts=facts, blocks=[*blocks, Sentence(text=say("trust.many.labels_none"))],
                     findings=findings, untested=[say("trust.many.labels_untested")])  # fmt: skip
    blocks += [Sentence(text=say("trust.many.labels_some", count=format_decimal(len(doubts), 0), file=REVIEW)),
               *_pictures(context, structured, doubts), _table(context, doubts)]  # fmt: skip
    return Theme(
        name="labels", facts=facts, blocks=blocks, files={REVIEW: _review(context, doubts)}, findings=findings,
        untested=[say("trust.many.labels_untested")],
    )  # fmt: skip


def _mixed_up(
    context: ThemeContext, structured: StructuredModelUnderTest, positions: Sequence[int]
) -> list[tuple[str, str]]:
    """Examples whose mask does not fit, and the examples whose mask does."""
    model, record = structured.adapter.pixels, context.run_context.record
    if model is None or not positions:
        return []
    classes, drawn = len(model.classes), list[Tensor]()
    held = [p for split in ("train", "validation", "test") for p in structured.positions(split, MAX_MASKS)]
    masks = {p: class_shares(model.mask(structured.indices[p]), classes) for p in dict.fromkeys([*positions, *held])}
    for position in positions:
        predicted = model.probabilities(structured.indices[position]).argmax(0)
        drawn.append(class_shares(predicted, classes))
    own, names = torch.stack([masks[p] for p in positions]), list(masks)
    pairs = swapped_masks(torch.stack(drawn), own, torch.stack(list(masks.values())))
    return [(record.names[positions[i]], record.names[names[j]]) for i, j in pairs]


def _mixed_up_findings(pairs: Sequence[tuple[str, str]], n: int) -> Sequence[Finding]:
    if len(pairs) < MIN_MIXED_UP:
        return ()
    share = format_metric(rate(len(pairs), n).as_json())
    text = say("trust.many.masks_of_others", count=len(pairs), share=share, name=pairs[0][0], other=pairs[0][1])
    return [Finding(key="masks_of_other_pictures", gravity="problem", text=text)]


def _named(context: ThemeContext, one: LabelIssue) -> dict[str, object]:
    record = context.run_context.record
    return {
        "example": record.names[one.position],
        "split": record.splits[one.position],
        "place": one.location,
        "label": one.given_label,
        "model": one.predicted_label,
        "probability_of_label": round(one.given_label_probability, 6),
    }


def _table(context: ThemeContext, doubts: Sequence[LabelIssue]) -> Grid:
    names = context.run_context.record.names
    heads = [say("trust.labels.example"), say("trust.many.place"), say("trust.labels.given"), say("trust.many.model"),
             say("trust.many.of_given")]  # fmt: skip
    rows = [
        [
            names[one.position],
            one.location,
            one.given_label,
            one.predicted_label,
            format_percent(one.given_label_probability),
        ]
        for one in doubts[:SHOWN]
    ]
    return Grid(title=say("trust.many.least_believed"), heads=heads, rows=rows, right=(4,))


def _pictures(context: ThemeContext, structured: StructuredModelUnderTest, doubts: Sequence[LabelIssue]) -> list[Block]:
    sense, captioned_images = structured.adapter.feature_extractor, list[CaptionedImage]()
    for one in doubts[:PICTURED] if context.run_context.medium == "image" and sense is not None else ():
        picture = sense.display_image(structured.prepared([one.position])[0]) if sense is not None else None
        if picture is not None:
            caption = say(
                "trust.many.labels_caption",
                name=context.run_context.record.names[one.position],
                given=one.given_label,
                likely=one.predicted_label,
            )
            heat = structured.adapter.label_issue_heatmap(structured.indices[one.position], one)
            captioned_images.append(CaptionedImage(image=picture, caption=caption, heatmap=heat))
    return [ImageGallery(title=say("trust.many.least_believed"), images=captioned_images)] if captioned_images else []


def _review(context: ThemeContext, doubts: Sequence[LabelIssue]) -> bytes:
    """The first of them as a table."""
    text = io.StringIO()
    writer = InertWriter(text)
    writer.writerow(["example", "split", "place", "label", "model", "probability_of_label"])
    writer.writerows(_named(context, one).values() for one in doubts[:LISTED])
    return text.getvalue().encode()
