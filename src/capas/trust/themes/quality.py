"""Theme of quality: the test metrics beside baselines, pictures of them, learning curves, and the worst errors."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import (
    baseline_name,
    format_decimal,
    format_metric,
    format_percent,
    format_quantity,
    is_rate,
    metric_name,
    metric_value,
)
from capas.engine.events import Event, read_events
from capas.engine.recipe import LOWER_IS_BETTER_METRICS, TestResult
from capas.engine.run import Run
from capas.metrics.rate import rate
from capas.trust.columns_beside.sides import side_blocks, side_findings, side_metrics
from capas.trust.generation.samples_shown import collapse_findings, sample_blocks
from capas.trust.generation.translations_shown import translation_blocks, translation_findings
from capas.trust.pair_errors import curve_plots
from capas.trust.performance_plots import class_table, confusion_block, learning_curves, prediction_plots
from capas.trust.rendering.blocks import Bars, Block, Folded, Grid, ImageGallery, metric_bar
from capas.trust.rendering.example_gallery import captioned_examples
from capas.trust.subgroups.example_properties import example_properties
from capas.trust.subgroups.significance import exact_difference_p
from capas.trust.subgroups.slices import most_shifted
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import MIN_TEST_EXAMPLES, ThemeContext, test_example_count

OFTEN, SOMETIMES = 0.3, 0.1
SAME_ANSWER = 0.95
WORST = 12
SHIFT, SHIFT_P = 0.05, 0.01
# Measured again, with its interval, where calibration is judged: two figures of one thing side by side mislead.
OF_ANOTHER_QUESTION = ("expected_calibration_error",)


def quality_theme(context: ThemeContext) -> Theme:
    """Return the theme of quality."""
    metrics = cast(Mapping[str, object], context.run_context.metrics["metrics"])
    baseline = cast(Mapping[str, Mapping[str, object]], context.run_context.metrics["baseline"])
    name = next(iter(metrics))
    findings = [*_too_few(context, metrics[name]), *_often_wrong(context), *_not_better(context), *_constant(context)]
    findings += _unlike_validation(context)
    findings += _collapsed(context)
    findings += collapse_findings(context)
    findings += translation_findings(context)
    sides = None if context.subject is None else side_metrics(context.subject)
    findings += side_findings(context, sides)
    blocks: list[Block] = [
        _beside(name, metrics[name], baseline),
        *side_blocks(sides),
        *confusion_block(context.run_context.metrics),
        *curve_plots(context.run_context.metrics),
        *sample_blocks(context),
        *translation_blocks(context),
    ]
    if context.subject is not None:
        blocks += prediction_plots(context.subject)
    blocks += learning_curves(_events(context.run_context.run))
    if context.subject is not None:
        blocks += _mistakes(context.subject)
    blocks += [*class_table(context.run_context.metrics), _others(metrics, name)]
    facts = {"metrics": dict(metrics), "baseline": dict(baseline), "n": test_example_count(context)}
    if sides is not None:
        facts["sides"] = sides.as_json()
    return Theme(
        name="quality", facts=facts, blocks=blocks, findings=findings, untested=[say("trust.quality.untested")]
    )


def _events(run: Run) -> list[Event]:
    """The events of training; none where the run has no file of them."""
    return list(read_events(run.events)) if run.events.is_file() else []


def _too_few(context: ThemeContext, headline: object) -> list[Finding]:
    n = test_example_count(context)
    if n >= MIN_TEST_EXAMPLES:
        return []
    return [Finding(key="too_few_to_judge", gravity="attention", text=say("trust.quality.too_few", n=n))]


def _often_wrong(context: ThemeContext) -> list[Finding]:
    """Said only where the interval says so too."""
    accuracy = cast(Mapping[str, object], context.run_context.metrics["metrics"]).get("accuracy")
    if not isinstance(accuracy, Mapping) or test_example_count(context) < MIN_TEST_EXAMPLES:
        return []
    wrong, least = 1 - float(accuracy["value"]), 1 - float(accuracy["interval"][1])
    if least < SOMETIMES:
        return []
    text = say("trust.quality.often_wrong", share=format_percent(wrong, 0))
    return [Finding(key="often_wrong", gravity="problem" if least >= OFTEN else "attention", text=text)]


def _not_better(context: ThemeContext) -> list[Finding]:
    """A problem where even the weakest rival is not shown to be worse."""
    figures = context.run_context.metrics
    metrics, baseline = (cast(Mapping[str, Mapping[str, object]], figures[key]) for key in ("metrics", "baseline"))
    gains = cast(Mapping[str, Mapping[str, object]], figures.get("gains", {}))
    tested = TestResult(n=test_example_count(context), metrics=metrics, baseline=baseline, rows=(), gains=gains)
    if not baseline or tested.n < MIN_TEST_EXAMPLES or tested.beats_baselines():
        return []
    name = next(iter(metrics))
    held = {key: metric_value(part[name]) for key, part in baseline.items() if name in part}
    best = (min if name in LOWER_IS_BETTER_METRICS else max)(held, key=lambda key: held[key])
    text = say("trust.quality.not_better", baseline=baseline_name(best), figure=format_metric(baseline[best][name]))
    worst = (max if name in LOWER_IS_BETTER_METRICS else min)(held, key=lambda key: held[key])
    beaten = replace(tested, baseline={worst: baseline[worst]}).beats_baselines()
    return [Finding(key="not_better_than_baseline", gravity="attention" if beaten else "problem", text=text)]


def _unlike_validation(context: ThemeContext) -> list[Finding]:
    """A test that goes far worse than the validation: other inputs, or other labels."""
    subject = context.subject
    if subject is None or subject.validation is None or context.run_context.task != "classify":
        return []
    parts = (subject.validation, subject.test)
    before, after = (rate(int((p.predictions.argmax(1) == p.targets).sum()), len(p)) for p in parts)
    if before.value - after.value < SHIFT or exact_difference_p(before, after) > SHIFT_P:
        return []
    shifted = most_shifted(*(example_properties(subject, part) for part in parts))
    why = say("trust.quality.same_inputs") if shifted is None else say("trust.quality.shifted", name=shifted[0])
    figures = {"validation": format_metric(before.as_json()), "test": format_metric(after.as_json())}
    text = say("trust.quality.unlike_validation", **figures) + " " + why
    return [Finding(key="test_unlike_validation", gravity="attention", text=text)]


def _collapsed(context: ThemeContext) -> list[Finding]:
    """An encoder whose vectors hardly differ: nothing can be found or told apart by them."""
    collapse = context.run_context.metrics.get("collapse")
    if not isinstance(collapse, Mapping) or not collapse["collapsed"]:
        return []
    rank = format_decimal(float(collapse["effective_rank"]), 1)
    text = say("trust.quality.collapsed", rank=rank, dimensions=collapse["dimensions"])
    return [Finding(key="collapsed", gravity="problem", text=text)]


def _constant(context: ThemeContext) -> list[Finding]:
    """The same answer to nearly everything, where not nearly everything is of that class."""
    subject = context.subject
    if (
        subject is None
        or context.run_context.task != "classify"
        or len(context.run_context.classes) < 2
        or len(subject.test) < MIN_TEST_EXAMPLES
    ):
        return []
    answers = Counter(subject.test.predictions.argmax(1).tolist())
    (commonest, count), n = answers.most_common(1)[0], len(subject.test)
    own = int((subject.test.targets == commonest).sum())
    if count < SAME_ANSWER * n or own >= SAME_ANSWER * n:
        return []
    text = say(
        "trust.quality.constant",
        name=context.run_context.classes[commonest],
        share=format_percent(count / n, 0),
        own=format_percent(own / n, 0),
    )
    return [Finding(key="constant_answer", gravity="problem", text=text)]


def _beside(name: str, figure: object, baseline: Mapping[str, Mapping[str, object]]) -> Bars:
    bars = [metric_bar(say("train.this_model"), figure)]
    bars += [metric_bar(baseline_name(key), held[name], "attention") for key, held in baseline.items() if name in held]
    largest = 1.0 if is_rate(figure) else max(max(bar.value, bar.high or 0.0) for bar in bars)
    note = say("trust.quality.lower_is_better") if name in LOWER_IS_BETTER_METRICS else ""
    return Bars(title=say("trust.quality.beside", figure=metric_name(name)), bars=bars, largest=largest, note=note)


def _others(metrics: Mapping[str, object], headline: str) -> Folded:
    heads = [say("trust.figure"), say("trust.value"), "n"]
    rows = [
        [metric_name(name), format_metric(figure), str(figure["n"]) if isinstance(figure, Mapping) else ""]
        for name, figure in metrics.items()
        if name not in OF_ANOTHER_QUESTION
    ]
    return Folded(title=say("trust.quality.figures"), blocks=[Grid(title="", heads=heads, rows=rows, right=(2,))])


def _mistakes(subject: ModelUnderTest) -> list[Block]:
    """What it was surest of and wrong about, or furthest off: as pictures where they can be seen, else as a table."""
    if subject.run_context.task == "classify":
        return _wrong_classes(subject)
    return _furthest_off(subject) if subject.run_context.task == "regress" else []


def _wrong_classes(subject: ModelUnderTest) -> list[Block]:
    case, part = subject.run_context, subject.test
    called, sure = part.predictions.argmax(1), part.predictions.max(1).values
    wrong = (called != part.targets).nonzero().flatten()
    order = wrong[sure[wrong].argsort(descending=True)][:WORST]
    rows = [
        [
            case.display_name(int(part.positions[i])),
            case.classes[int(part.targets[i])],
            case.classes[int(called[i])],
            format_percent(float(sure[i]), 0),
        ]
        for i in order.tolist()
    ]
    captions = [
        say("trust.quality.mistake", name=name, actual=actual, called=called, probability=probability)
        for name, actual, called, probability in rows
    ]
    heads = [say(f"trust.plots.worst_{head}") for head in ("example", "class", "called", "probability")]
    return _worst(subject, order, captions, Grid(title=say("trust.plots.surest"), heads=heads, rows=rows, right=(3,)))


def _furthest_off(subject: ModelUnderTest) -> list[Block]:
    case, part = subject.run_context, subject.test
    off = (part.predictions - part.targets).abs()
    order = (off / off.mean(0).clamp(min=1e-12)).mean(1).argsort(descending=True)[:WORST]
    unit = case.record.spec.targets[0].unit
    rows = [
        [
            case.display_name(int(part.positions[i])),
            format_quantity(float(part.targets[i, 0]), unit),
            format_quantity(float(part.predictions[i, 0]), unit),
        ]
        for i in order.tolist()
    ]
    captions = [say("trust.quality.off", name=name, actual=actual, called=called) for name, actual, called in rows]
    heads = [say(f"trust.plots.worst_{head}") for head in ("example", "value", "estimate")]
    return _worst(
        subject, order, captions, Grid(title=say("trust.plots.furthest"), heads=heads, rows=rows, right=(1, 2))
    )


def _worst(subject: ModelUnderTest, order: Tensor, captions: Sequence[str], table: Grid) -> list[Block]:
    """The examples as a gallery where they can be looked at, else as ``table``; nothing where there are none."""
    if not len(order):
        return []
    pictures = captioned_examples(subject, subject.test, order, captions)
    return [ImageGallery(title=table.title, images=pictures)] if pictures else [table]
