"""What the report says first: the headline metric with count and interval, one cause, one next step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from capas.core.i18n import has, say
from capas.core.number_format import format_decimal, format_metric, format_percent, format_quantity, metric_name
from capas.trust.rendering.blocks import Sentence, Tone
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import MIN_TEST_EXAMPLES, ThemeContext, test_example_count

_GRAVITIES: Final = ("problem", "attention")
# What explains the rest comes first: figures of a leaked test mean nothing, and a constant answer is often wrong.
CAUSES: Final = (
    "leaked_test", "columns_give_target", "filled_in_later", "told_beside_the_content", "constant_answer",
    "test_unlike_validation", "not_better_than_baseline", "often_wrong", "no_content_needed", "one_place_decides",
    "one_column_decides", "columns_decide", "labels_probably_wrong", "labels_one_sided", "too_few_to_judge",
    "miscalibrated", "takes_noise_for_its_own",
)  # fmt: skip
MAX_BOXES: Final = 3
DATA: Final = "data_"  # how the keys of findings begin that were made before training


@dataclass(frozen=True, kw_only=True, slots=True)
class VerdictBox:
    """A box of the verdict: its heading, its text, and how grave it is."""

    heading: str
    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What the report says first.

    Attributes:
        headline: The result of the test as a sentence.
        boxes: At most three: the finding that weighs most, what to do next, and one more finding.
        more: The other findings, gravest first.
        notes: What was tested in part or not at all, in the user's language.
    """

    headline: Sentence
    boxes: Sequence[VerdictBox]
    more: Sequence[Sentence]
    notes: Sequence[str]

    @property
    def text(self) -> str:
        """All of it as one text, without the headings."""
        return " ".join(
            [self.headline.text, *(box.text for box in self.boxes), *(more.text for more in self.more), *self.notes]
        )


def verdict(context: ThemeContext, themes: Sequence[Theme], before: Sequence[Finding] = ()) -> Verdict:
    """Return the verdict; ``before`` are the findings that were made in the data before training."""
    found = ranked_findings(themes, before)
    graves = {finding.gravity for finding in found}
    first = first_sentence(context)
    headline = Sentence(text=first[:1].upper() + first[1:], tone="problem" if "problem" in graves else "plain")
    boxes = _boxes(context, themes, found)
    # All boxes but that of the next step hold a finding.
    more = [Sentence(text=finding.text, tone=finding.gravity) for finding in found[MAX_BOXES - 1 :]]
    return Verdict(headline=headline, boxes=boxes, more=more, notes=_notes(context, themes))


def _boxes(context: ThemeContext, themes: Sequence[Theme], found: Sequence[Finding]) -> list[VerdictBox]:
    run = str(context.run_context.run.folder)
    if not found:
        computed = sum(theme.status == "nothing_found" for theme in themes)
        text = say("trust.nothing_found", computed=computed, all=len(themes))
        return [
            VerdictBox(heading=say("trust.box.good"), text=text, tone="good"),
            VerdictBox(heading=say("trust.box.next"), text=say("trust.next.nothing", run=run)),
        ]
    cause, *others = found
    boxes = [
        VerdictBox(heading=say("trust.box.cause"), text=cause.text, tone=cause.gravity),
        VerdictBox(heading=say("trust.box.next"), text=next_step(cause, themes)),
    ]
    return boxes + [
        VerdictBox(heading=say("trust.box.also"), text=one.text, tone=one.gravity)
        for one in others[: MAX_BOXES - len(boxes)]
    ]


def next_step(finding: Finding, themes: Sequence[Theme]) -> str:
    """Return what to do about a finding: of its key, else of its theme."""
    if has(f"trust.next.{finding.key}"):
        return say(f"trust.next.{finding.key}")
    of = next((theme.name for theme in themes if finding in theme.findings), "data")
    return say(f"trust.next.{of}")


def _notes(context: ThemeContext, themes: Sequence[Theme]) -> list[str]:
    """What a reader would otherwise take for tested."""
    late = {theme.name for theme in themes if theme.out_of_time}
    notes = [
        say("trust.box.no_calibration", reason=theme.not_computed_because)
        for theme in themes
        if theme.name == "calibration" and theme.not_computed_because is not None and theme.name not in late
    ]
    partly = [
        say(f"trust.themes.{theme.name}")
        for theme in themes
        if theme.status == "partly_tested" and theme.name not in late
    ]
    if partly:
        notes.append(say("trust.partly_tested", names=" ".join(partly)))
    if late:
        names = " ".join(say(f"trust.themes.{theme.name}") for theme in themes if theme.name in late)
        notes.append(say("trust.box.late", names=names, run=str(context.run_context.run.folder)))
    if context.level == "quick":
        notes.append(say("trust.box.quick", run=str(context.run_context.run.folder)))
    return notes


def ranked_findings(themes: Sequence[Theme], before: Sequence[Finding] = ()) -> list[Finding]:
    """Return all findings, gravest first, and among those of one gravity what explains others first."""

    def rank(finding: Finding) -> tuple[int, int]:
        place = CAUSES.index(finding.key) if finding.key in CAUSES else len(CAUSES)
        return _GRAVITIES.index(finding.gravity), place

    return sorted([*(f for theme in themes for f in theme.findings), *before], key=rank)


def first_sentence(context: ThemeContext) -> str:
    """Return the result of the test as a sentence that fits the task."""
    metrics = cast(Mapping[str, Mapping[str, object]], context.run_context.metrics["metrics"])
    name, figure = next(iter(metrics.items()))
    n, noun = test_example_count(context), context.example_noun
    if n < MIN_TEST_EXAMPLES:
        folds = cast(Mapping[str, object] | None, context.run_context.metrics.get("cross_validation"))
        if folds is not None:
            return say("trust.first.too_few_folds", n=n, noun=noun, folds=len(cast(list[float], folds["folds"])),
                       name=metric_name(name), figure=format_metric(folds["figure"]))  # fmt: skip
        return say("trust.first.too_few", n=n, noun=noun, name=metric_name(name), figure=format_metric(figure))
    if name == "accuracy":
        low, high = cast(Sequence[float], figure["interval"])
        value, count = float(cast(float, figure["value"])), int(cast(int, figure["n"]))
        return say(
            "trust.first.classify",
            right=format_decimal(round(value * count), 0),
            n=format_decimal(count, 0),
            noun=noun,
            share=format_percent(value),
            low=format_decimal(100 * low, 1),
            high=format_percent(high),
        )
    if name.startswith("mae"):
        low, high = cast(Sequence[float], figure["interval"])
        unit = str(figure["unit"])
        return say(
            "trust.first.regress",
            value=format_quantity(float(cast(float, figure["value"])), unit),
            n=format_decimal(n, 0),
            noun=noun,
            low=format_quantity(low),
            high=format_quantity(high, unit),
        )
    return say(
        "trust.first.other", name=metric_name(name), figure=format_metric(figure), n=format_decimal(n, 0), noun=noun
    )
