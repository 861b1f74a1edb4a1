"""How good is it? The figures of the one test, beside baselines, and what it got most wrong."""

from collections import Counter
from collections.abc import Mapping
from typing import cast

import torch

from capas.core.figures import baseline_name, figure_name, figure_text, is_rate, measure, percent, value_of
from capas.core.messages import say
from capas.data.folders import SplitName
from capas.engine.recipe import LOWER_IS_BETTER, Tested
from capas.trust.asked import Asked
from capas.trust.blocks import Bar, Bars, Block, Gallery, Grid
from capas.trust.pictured import pictured
from capas.trust.subject import Subject
from capas.trust.theme import Finding, Theme

FEW = 30
OFTEN, SOMETIMES = 0.3, 0.1
SAME_ANSWER = 0.95
WORST = 12


def quality(asked: Asked) -> Theme:
    """See the module."""
    metrics = cast(Mapping[str, object], asked.case.metrics["metrics"])
    baseline = cast(Mapping[str, Mapping[str, object]], asked.case.metrics["baseline"])
    name = next(iter(metrics))
    findings = [*_too_few(asked, metrics[name]), *_often_wrong(asked), *_not_better(asked), *_constant(asked)]
    blocks: list[Block] = [_beside(name, metrics[name], baseline), _others(metrics, name)]
    if asked.subject is not None:
        blocks += _mistakes(asked.subject)
    facts = {"metrics": dict(metrics), "baseline": dict(baseline), "n": test_size(asked)}
    return Theme(
        name="quality", facts=facts, blocks=blocks, findings=findings, untested=[say("trust.quality.untested")]
    )


def test_size(asked: Asked) -> int:
    """How many examples the test has."""
    split: SplitName = "test"
    return asked.case.record.splits.count(split)


def _too_few(asked: Asked, headline: object) -> list[Finding]:
    n = test_size(asked)
    if n >= FEW:
        return []
    return [Finding(key="too_few_to_judge", gravity="attention", text=say("trust.quality.too_few", n=n))]


def _often_wrong(asked: Asked) -> list[Finding]:
    """Said only where the interval says so too."""
    accuracy = cast(Mapping[str, object], asked.case.metrics["metrics"]).get("accuracy")
    if not isinstance(accuracy, Mapping) or test_size(asked) < FEW:
        return []
    wrong, least = 1 - float(accuracy["value"]), 1 - float(accuracy["interval"][1])
    if least < SOMETIMES:
        return []
    text = say("trust.quality.often_wrong", share=percent(wrong, 0))
    return [Finding(key="often_wrong", gravity="problem" if least >= OFTEN else "attention", text=text)]


def _not_better(asked: Asked) -> list[Finding]:
    """A problem where even the weakest rival is not shown to be worse."""
    figures = asked.case.metrics
    metrics, baseline = (cast(Mapping[str, Mapping[str, object]], figures[key]) for key in ("metrics", "baseline"))
    tested = Tested(n=test_size(asked), metrics=metrics, baseline=baseline, rows=())
    if not baseline or tested.n < FEW or tested.beats_baselines():
        return []
    name = next(iter(metrics))
    held = {key: value_of(part[name]) for key, part in baseline.items() if name in part}
    best = (min if name in LOWER_IS_BETTER else max)(held, key=lambda key: held[key])
    text = say("trust.quality.not_better", baseline=baseline_name(best), figure=figure_text(baseline[best][name]))
    worst = (max if name in LOWER_IS_BETTER else min)(held, key=lambda key: held[key])
    beaten = Tested(n=tested.n, metrics=metrics, baseline={worst: baseline[worst]}, rows=()).beats_baselines()
    return [Finding(key="not_better_than_baseline", gravity="attention" if beaten else "problem", text=text)]


def _constant(asked: Asked) -> list[Finding]:
    """The same answer to nearly everything, where not nearly everything is of that class."""
    subject = asked.subject
    if subject is None or asked.case.task != "classify" or len(asked.case.classes) < 2 or len(subject.test) < FEW:
        return []
    answers = Counter(subject.test.answers.argmax(1).tolist())
    (commonest, count), n = answers.most_common(1)[0], len(subject.test)
    own = int((subject.test.targets == commonest).sum())
    if count < SAME_ANSWER * n or own >= SAME_ANSWER * n:
        return []
    text = say(
        "trust.quality.constant",
        name=asked.case.classes[commonest],
        share=percent(count / n, 0),
        own=percent(own / n, 0),
    )
    return [Finding(key="constant_answer", gravity="problem", text=text)]


def _beside(name: str, figure: object, baseline: Mapping[str, Mapping[str, object]]) -> Bars:
    rows = [(say("train.this_model"), figure, True)]
    rows += [(baseline_name(key), held[name], False) for key, held in baseline.items() if name in held]
    bars = []
    for label, held, own in rows:
        low, high = _ends(held)
        tone = "plain" if own else "attention"
        bars.append(
            Bar(
                label=label,
                value=value_of(held),
                low=low,
                high=high,
                shown=figure_text(held),
                tone="plain" if tone == "plain" else "attention",
            )
        )
    largest = 1.0 if is_rate(figure) else max(max(bar.value, bar.high or 0.0) for bar in bars)
    note = say("trust.quality.lower_is_better") if name in LOWER_IS_BETTER else ""
    return Bars(title=say("trust.quality.beside", figure=figure_name(name)), bars=bars, largest=largest, note=note)


def _ends(figure: object) -> tuple[float | None, float | None]:
    if isinstance(figure, Mapping) and "interval" in figure:
        low, high = figure["interval"]
        return float(low), float(high)
    return None, None


def _others(metrics: Mapping[str, object], headline: str) -> Grid:
    heads = [say("trust.figure"), say("trust.value"), "n"]
    rows = [
        [figure_name(name), figure_text(figure), str(figure["n"]) if isinstance(figure, Mapping) else ""]
        for name, figure in metrics.items()
    ]
    return Grid(title=say("trust.quality.figures"), heads=heads, rows=rows, right=(2,))


def _mistakes(subject: Subject) -> list[Block]:
    """What it was surest of and wrong about, or furthest off."""
    case, part = subject.case, subject.test
    if case.task == "classify":
        called, sure = part.answers.argmax(1), part.answers.max(1).values
        wrong = (called != part.targets).nonzero().flatten()
        order = wrong[sure[wrong].argsort(descending=True)][:WORST]
        captions = [
            say(
                "trust.quality.mistake",
                name=case.record.names[int(part.positions[i])],
                actual=case.classes[int(part.targets[i])],
                called=case.classes[int(called[i])],
                probability=percent(float(sure[i]), 0),
            )
            for i in order.tolist()
        ]
    elif case.task == "regress":
        off = (part.answers - part.targets).abs()
        order = (off / off.mean(0).clamp(min=1e-12)).mean(1).argsort(descending=True)[:WORST]
        unit = case.record.spec.targets[0].unit
        captions = [
            say(
                "trust.quality.off",
                name=case.record.names[int(part.positions[i])],
                actual=measure(float(part.targets[i, 0]), unit),
                called=measure(float(part.answers[i, 0]), unit),
            )
            for i in order.tolist()
        ]
    else:
        return []
    if not len(order):
        return []
    title = say("trust.quality.worst")
    pictures = pictured(subject, part, torch.as_tensor(order), captions)
    return (
        [Gallery(title=title, pictures=pictures)]
        if pictures
        else [Grid(title=title, heads=[""], rows=[[caption] for caption in captions])]
    )
