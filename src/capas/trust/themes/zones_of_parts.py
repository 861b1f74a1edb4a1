"""What does it look at, in texts, sounds and rows: what the answer loses without each word, stretch or column, and
where the attention of a network that reads words goes.
"""

import torch
from torch import Tensor

from capas.core.figures import decimal
from capas.core.messages import say
from capas.engine.recipes.texts import TextReader
from capas.trust.asked import Asked
from capas.trust.blocks import Bar, Bars, Block, Sentence, Words
from capas.trust.parts import contributions, curves, parts_of, score_of
from capas.trust.subject import Subject
from capas.trust.theme import Finding, Theme
from capas.trust.themes.parts_checked import SHARES, Asking, areas, checked_by, checks_table, deletion_plot
from capas.trust.word_ways import alike, randomised_reader, weighed

EXAMPLES, SHOWN, MOST_BARS = 60, 6, 12
EXAMPLES_CHECKED, RANDOM_READERS = 6, 2
ONE_PART = 0.5


def zones_of_parts(asked: Asked, subject: Subject) -> Theme:
    """See the module."""
    chosen = torch.randperm(len(subject.test), generator=subject.case.chance("zones"))[:EXAMPLES].tolist()
    rng = subject.case.chance("zones checks")
    others = _others(subject)
    found: list[Asking] = []
    for number, i in enumerate(chosen):
        asking = _ask(subject, i, rng, others if len(found) < EXAMPLES_CHECKED else [])
        if asking is not None:
            found.append(asking)
        asked.progress(number + 1, len(chosen))
    if not found:
        return Theme(name="zones", not_computed_because=say("trust.zones.no_parts"))
    checked = [checked_by(found, name) for name in found[0].weights]
    chance = areas(found, "random")
    attended = len(checked) > 1
    facts: dict[str, object] = {
        "n": len(found),
        "methods": {
            **{one.name: one.as_json() for one in checked},
            "random": {"deletion": round(chance[0], 4), "insertion": round(chance[1], 4)},
        },
        "parts": {name: round(value, 4) for name, value in _by_name(found)[:MOST_BARS]},
    }
    findings = _one_part(subject, found)
    if not any(one.reliable for one in checked):
        findings.insert(0, Finding(key="no_reliable_map", gravity="attention", text=say("trust.zones.not_reliable")))
    blocks: list[Block] = [
        Sentence(text=say("trust.zones.parts_shown", n=len(found))),
        *([Sentence(text=say("trust.zones.attention_weak"))] if attended else []),
        *_examples(subject, found),
        *_ranking(subject, found),
        checks_table(checked, chance),
        deletion_plot(found),
    ]
    return Theme(
        name="zones", facts=facts, blocks=blocks, findings=findings, untested=[say("trust.zones.untested_parts")]
    )


def _others(subject: Subject) -> list[TextReader]:
    """Readers with random weights; none where it is not texts that are read."""
    if not isinstance(subject.reader, TextReader):
        return []
    rng = subject.case.chance("zones random weights")
    return [randomised_reader(subject.reader, rng) for _ in range(RANDOM_READERS)]


def _ask(subject: Subject, i: int, rng: torch.Generator, others: list[TextReader]) -> Asking | None:
    position = int(subject.test.positions[i])
    parts = parts_of(subject, position)
    if parts is None or len(parts.names) < 2:
        return None
    output = _output(subject, subject.test.answers[i])
    score = score_of(subject, output)
    brought = contributions(parts, score)
    sign = 1.0 if subject.case.task in ("classify", "tag") else float(torch.sign(brought.weights.sum()) or 1.0)
    weights = weighed(subject.reader, parts, brought)
    orders = {
        **{name: values.argsort(descending=True).tolist() for name, values in weights.items()},
        "leave_one_out": (sign * brought.weights).argsort(descending=True).tolist(),
        "random": torch.randperm(len(parts.names), generator=rng).tolist(),
    }
    both = {name: curves(parts, score, order, SHARES) for name, order in orders.items()}
    return Asking(
        position=position,
        parts=parts,
        brought=brought,
        weights=weights,
        alike=alike(subject, parts, output, weights, others) if others else {},
        deletion={n: b[0] for n, b in both.items()},
        insertion={n: b[1] for n, b in both.items()},
    )


def _output(subject: Subject, answers: Tensor) -> int:
    """The class or tag that it is surest of; the first number."""
    return int(answers.argmax()) if subject.case.task in ("classify", "tag") else 0


def _by_name(found: list[Asking]) -> list[tuple[str, float]]:
    """The mean of what each part brings (columns, stretches), or its largest (words), in absolute value."""
    held: dict[str, list[float]] = {}
    for asking in found:
        for name, weight in zip(asking.brought.names, asking.brought.weights.tolist(), strict=True):
            held.setdefault(name.casefold(), []).append(abs(weight))
    means = {name: sum(values) / len(values) for name, values in held.items()}
    return sorted(means.items(), key=lambda pair: -pair[1])


def _one_part(subject: Subject, found: list[Asking]) -> list[Finding]:
    """A column that brings more than half of everything: perhaps rightly, perhaps because it gives the answer away."""
    if subject.case.medium != "table":
        return []
    ranking = _by_name(found)
    total = sum(value for _, value in ranking)
    name, most = ranking[0]
    if total <= 0 or most / total < ONE_PART or len(ranking) < 3:
        return []
    text = say("trust.zones.one_column", name=name, share=f"{100 * most / total:.0f} %")
    return [Finding(key="one_column_decides", gravity="attention", text=text)]


def _examples(subject: Subject, found: list[Asking]) -> list[Block]:
    if subject.case.medium != "text":
        return []
    blocks: list[Block] = []
    for asking in found[:SHOWN]:
        name = subject.case.record.names[asking.position]
        for way, weights in asking.weights.items():
            caption = say(
                "trust.zones.words",
                name=name,
                probability=f"{100 * asking.brought.score:.0f} %",
                answer=_answer(subject, asking),
            )
            if way != "leave_one_out":
                caption = say("trust.zones.attended", name=name, way=say(f"trust.zones.methods.{way}"))
            shares = (weights / weights.abs().max().clamp(min=1e-9)).tolist()
            blocks.append(Words(words=list(asking.parts.names), weights=shares, caption=caption))
    return blocks


def _answer(subject: Subject, asking: Asking) -> str:
    if not subject.case.classes:
        return decimal(asking.brought.score, 2)
    i = subject.test.positions.tolist().index(asking.position)
    return subject.case.classes[int(subject.test.answers[i].argmax())]


def _ranking(subject: Subject, found: list[Asking]) -> list[Block]:
    if subject.case.medium == "text":
        return []
    ranking = _by_name(found)[:MOST_BARS]
    if subject.case.medium == "audio":
        return []
    bars = [Bar(label=name, value=value, shown=decimal(value, 3)) for name, value in ranking]
    largest = max(value for _, value in ranking) or 1.0
    return [Bars(title=say("trust.zones.columns"), bars=bars, largest=largest, note=say("trust.zones.columns_note"))]
