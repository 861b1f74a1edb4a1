"""Theme of explanations of text, audio and tabular models: feature ablation, and attention of text encoders."""

from collections.abc import Sequence

import torch
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_decimal
from capas.trust.explanations.content_probes import content_probe_facts
from capas.trust.explanations.feature_ablation import ablation_curves, leave_one_out_attributions
from capas.trust.explanations.text_explainers import randomization_correlations, text_attributions
from capas.trust.rendering.blocks import Bar, Bars, Block, Sentence, WordHeatmap
from capas.trust.subjects.input_adapter import InputAdapter
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.explanations_ablation_checks import (
    SHARES,
    AblatedExample,
    ablation_checks_table,
    ablation_deletion_plot,
    check_ablation_method,
    curve_areas,
)

EXAMPLES, SHOWN, MAX_BARS = 60, 6, 12
EXAMPLES_CHECKED, RANDOM_READERS = 6, 2
ONE_PART = 0.5


def ablation_explanations_theme(context: ThemeContext, subject: ModelUnderTest) -> Theme:
    """Return the theme for text, audio and tabular models."""
    chosen = torch.randperm(len(subject.test), generator=subject.run_context.rng("zones"))[:EXAMPLES].tolist()
    rng = subject.run_context.rng("zones checks")
    randomized_readers = _others(subject)
    found: list[AblatedExample] = []
    for number, i in enumerate(chosen):
        ablated = _ask(subject, i, rng, randomized_readers if len(found) < EXAMPLES_CHECKED else [])
        if ablated is not None:
            found.append(ablated)
        context.progress(number + 1, len(chosen))
    if not found:
        return Theme(name="explanations", not_computed_because=say("trust.zones.no_parts"))
    checked = [check_ablation_method(found, name) for name in found[0].weights]
    random_areas = curve_areas(found, "random")
    attended = len(checked) > 1
    facts: dict[str, object] = {
        "n": len(found),
        "methods": {
            **{one.name: one.as_json() for one in checked},
            "random": {"deletion": round(random_areas[0], 4), "insertion": round(random_areas[1], 4)},
        },
        "parts": {name: round(value, 4) for name, value in _by_name(found)[:MAX_BARS]},
    }
    findings = _one_part(subject, found)
    facts["without_content"], probed = content_probe_facts(subject)
    findings += probed
    if not any(one.reliable for one in checked):
        findings.insert(0, Finding(key="no_reliable_map", gravity="attention", text=say("trust.zones.not_reliable")))
    blocks: list[Block] = [
        Sentence(text=say("trust.zones.parts_shown", n=len(found))),
        *([Sentence(text=say("trust.zones.attention_weak"))] if attended else []),
        *_examples(subject, found),
        *_ranking(subject, found),
        ablation_checks_table(checked, random_areas),
        ablation_deletion_plot(found),
    ]
    return Theme(
        name="explanations", facts=facts, blocks=blocks, findings=findings, untested=[say("trust.zones.untested_parts")]
    )


def _others(subject: ModelUnderTest) -> Sequence[InputAdapter]:
    """The same with random weights; none where there is no attention to check."""
    rng = subject.run_context.rng("zones random weights")
    drawn = [subject.adapter.randomized(rng) for _ in range(RANDOM_READERS)]
    return [one for one in drawn if one is not None]


def _ask(
    subject: ModelUnderTest, i: int, rng: torch.Generator, randomized_readers: Sequence[InputAdapter]
) -> AblatedExample | None:
    position = int(subject.test.positions[i])
    features = subject.adapter.example_ablation_features(subject.inputs, subject.run_context.indices[position])
    if features is None or len(features.names) < 2:
        return None
    output = _output(subject, subject.test.predictions[i])
    score = subject.score_function(output)
    attributions = leave_one_out_attributions(features, score)
    sign = (
        1.0 if subject.run_context.task in ("classify", "tag") else float(torch.sign(attributions.weights.sum()) or 1.0)
    )
    weights = text_attributions(subject.adapter, features, attributions)
    orders = {
        **{name: values.argsort(descending=True).tolist() for name, values in weights.items()},
        "leave_one_out": (sign * attributions.weights).argsort(descending=True).tolist(),
        "random": torch.randperm(len(features.names), generator=rng).tolist(),
    }
    both = {name: ablation_curves(features, score, order, SHARES) for name, order in orders.items()}
    return AblatedExample(
        position=position,
        features=features,
        attributions=attributions,
        weights=weights,
        randomization_correlations=randomization_correlations(subject, features, output, weights, randomized_readers)
        if randomized_readers
        else {},
        deletion={n: b[0] for n, b in both.items()},
        insertion={n: b[1] for n, b in both.items()},
    )


def _output(subject: ModelUnderTest, answers: Tensor) -> int:
    """The class or tag that it is surest of; the first number."""
    return int(answers.argmax()) if subject.run_context.task in ("classify", "tag") else 0


def _by_name(found: list[AblatedExample]) -> list[tuple[str, float]]:
    """The mean of what each part brings (columns, stretches), or its largest (words), in absolute value."""
    held: dict[str, list[float]] = {}
    for ablated in found:
        for name, weight in zip(ablated.attributions.names, ablated.attributions.weights.tolist(), strict=True):
            held.setdefault(name.casefold(), []).append(abs(weight))
    means = {name: sum(values) / len(values) for name, values in held.items()}
    return sorted(means.items(), key=lambda pair: -pair[1])


def _one_part(subject: ModelUnderTest, found: list[AblatedExample]) -> list[Finding]:
    """A column that brings more than half of everything: perhaps rightly, perhaps because it gives the answer away."""
    if subject.run_context.medium != "table":
        return []
    ranking = _by_name(found)
    total = sum(value for _, value in ranking)
    name, most = ranking[0]
    if total <= 0 or most / total < ONE_PART or len(ranking) < 3:
        return []
    text = say("trust.zones.one_column", name=name, share=f"{100 * most / total:.0f} %")
    return [Finding(key="one_column_decides", gravity="attention", text=text)]


def _examples(subject: ModelUnderTest, found: list[AblatedExample]) -> list[Block]:
    if subject.run_context.medium != "text":
        return []
    blocks: list[Block] = []
    for ablated in found[:SHOWN]:
        name = subject.run_context.record.names[ablated.position]
        for way, weights in ablated.weights.items():
            caption = say(
                "trust.zones.words",
                name=name,
                probability=f"{100 * ablated.attributions.score:.0f} %",
                answer=_answer(subject, ablated),
            )
            if way != "leave_one_out":
                caption = say("trust.zones.attended", name=name, way=say(f"trust.zones.methods.{way}"))
            shares = (weights / weights.abs().max().clamp(min=1e-9)).tolist()
            blocks.append(WordHeatmap(words=list(ablated.features.names), weights=shares, caption=caption))
    return blocks


def _answer(subject: ModelUnderTest, ablated: AblatedExample) -> str:
    if not subject.run_context.classes:
        return format_decimal(ablated.attributions.score, 2)
    i = subject.test.positions.tolist().index(ablated.position)
    return subject.run_context.classes[int(subject.test.predictions[i].argmax())]


def _ranking(subject: ModelUnderTest, found: list[AblatedExample]) -> list[Block]:
    if subject.run_context.medium == "text":
        return []
    ranking = _by_name(found)[:MAX_BARS]
    if subject.run_context.medium == "audio" and subject.adapter.content is None:
        return []
    bars = [Bar(label=name, value=value, value_text=format_decimal(value, 3)) for name, value in ranking]
    largest = max(value for _, value in ranking) or 1.0
    title, note = say("trust.zones.columns"), say("trust.zones.columns_note")
    if subject.adapter.content is not None:
        title, note = say("trust.beside.parts"), say("trust.beside.parts_note")
    return [Bars(title=title, bars=bars, largest=largest, note=note)]
