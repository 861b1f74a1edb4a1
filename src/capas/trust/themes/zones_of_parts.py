"""What does it look at, in texts, sounds and rows: what the answer loses without each word, stretch or column."""

from dataclasses import dataclass

import torch
from torch import Tensor

from capas.core.figures import decimal, figure_text
from capas.core.messages import say
from capas.tasks.metrics import Rate, rate
from capas.trust.asked import Asked
from capas.trust.blocks import Bar, Bars, Block, Grid, Line, Plot, Sentence, Words
from capas.trust.parts import Contributions, Parts, contributions, curves, parts_of, score_of
from capas.trust.subject import Subject
from capas.trust.theme import Finding, Theme

EXAMPLES, SHOWN, MOST_BARS = 60, 6, 12
SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
ONE_PART = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """An example that was taken apart: its position, parts, what each brings, and the score without and with only the
    most important parts, by method."""

    position: int
    parts: Parts
    brought: Contributions
    deletion: dict[str, Tensor]
    insertion: dict[str, Tensor]


def zones_of_parts(asked: Asked, subject: Subject) -> Theme:
    """See the module."""
    chosen = torch.randperm(len(subject.test), generator=subject.case.chance("zones"))[:EXAMPLES].tolist()
    rng = subject.case.chance("zones checks")
    found: list[Asking] = []
    for number, i in enumerate(chosen):
        asking = _ask(subject, i, rng)
        if asking is not None:
            found.append(asking)
        asked.progress(number + 1, len(chosen))
    if not found:
        return Theme(name="zones", not_computed_because=say("trust.zones.no_parts"))
    areas = {name: _areas(found, name) for name in ("leave_one_out", "random")}
    gain = _gain(found)
    reliable = gain.interval[0] > 0.5
    facts: dict[str, object] = {
        "n": len(found),
        "methods": {n: {"deletion": round(d, 4), "insertion": round(i, 4)} for n, (d, i) in areas.items()},
        "better_than_random": gain.as_json(),
        "parts": {name: round(value, 4) for name, value in _by_name(found)[:MOST_BARS]},
    }
    findings = (
        [] if reliable else [Finding(key="no_reliable_map", gravity="attention", text=say("trust.zones.not_reliable"))]
    )
    findings += _one_part(subject, found)
    blocks: list[Block] = [
        Sentence(text=say("trust.zones.parts_shown", n=len(found))),
        *_examples(subject, found),
        *_ranking(subject, found),
        _table(areas, gain.as_json()),
        _plot(found),
    ]
    return Theme(
        name="zones", facts=facts, blocks=blocks, findings=findings, untested=[say("trust.zones.untested_parts")]
    )


def _ask(subject: Subject, i: int, rng: torch.Generator) -> Asking | None:
    position = int(subject.test.positions[i])
    parts = parts_of(subject, position)
    if parts is None or len(parts.names) < 2:
        return None
    output = _output(subject, subject.test.answers[i])
    score = score_of(subject, output)
    brought = contributions(parts, score)
    sign = 1.0 if subject.case.task in ("classify", "tag") else float(torch.sign(brought.weights.sum()) or 1.0)
    orders = {
        "leave_one_out": (sign * brought.weights).argsort(descending=True).tolist(),
        "random": torch.randperm(len(parts.names), generator=rng).tolist(),
    }
    both = {name: curves(parts, score, order, SHARES) for name, order in orders.items()}
    return Asking(
        position=position,
        parts=parts,
        brought=brought,
        deletion={n: b[0] for n, b in both.items()},
        insertion={n: b[1] for n, b in both.items()},
    )


def _output(subject: Subject, answers: Tensor) -> int:
    """The class or tag that it is surest of; the first number."""
    return int(answers.argmax()) if subject.case.task in ("classify", "tag") else 0


def _areas(found: list[Asking], name: str) -> tuple[float, float]:
    shares = torch.tensor(SHARES)

    def mean(curves_: list[Tensor]) -> float:
        return float(torch.stack([torch.trapezoid(c, shares) for c in curves_]).mean())

    return mean([a.deletion[name] for a in found]), mean([a.insertion[name] for a in found])


def _gain(found: list[Asking]) -> Rate:
    """In how many examples taking the important parts away moves the score more than taking parts away at random."""
    shares = torch.tensor(SHARES)

    def moved(asking: Asking, name: str) -> float:
        return float(torch.trapezoid((asking.deletion[name] - asking.brought.score).abs(), shares))

    return rate(sum(moved(a, "leave_one_out") > moved(a, "random") for a in found), len(found))


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
        weights = asking.brought.weights
        shares = (weights / weights.abs().max().clamp(min=1e-9)).tolist()
        name = subject.case.record.names[asking.position]
        blocks.append(
            Words(
                words=list(asking.brought.names),
                weights=shares,
                caption=say(
                    "trust.zones.words",
                    name=name,
                    probability=f"{100 * asking.brought.score:.0f} %",
                    answer=_answer(subject, asking),
                ),
            )
        )
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


def _table(areas: dict[str, tuple[float, float]], gain: dict[str, object]) -> Grid:
    heads = [say(f"trust.zones.heads.{name}") for name in ("method", "deletion", "insertion")]
    rows = [[say(f"trust.zones.methods.{n}"), decimal(d, 3), decimal(i, 3)] for n, (d, i) in areas.items()]
    return Grid(
        title=say("trust.zones.checks"),
        heads=heads,
        rows=rows,
        right=(1, 2),
        note=say("trust.zones.parts_note", share=figure_text(gain)),
    )


def _plot(found: list[Asking]) -> Plot:
    lines = []
    for name in ("leave_one_out", "random"):
        mean = torch.stack([a.deletion[name] for a in found]).mean(0).tolist()
        lines.append(Line(name=say(f"trust.zones.methods.{name}"), xs=SHARES, ys=mean, dashed=name == "random"))
    rates = all(0 <= y <= 1 for line in lines for y in line.ys)
    description = "; ".join(f"{line.name}: {decimal(sum(line.ys) / len(line.ys), 2)}" for line in lines)
    return Plot(
        title=say("trust.zones.deletion_parts"),
        x=say("trust.zones.removed_parts"),
        y=say("trust.zones.score"),
        lines=lines,
        description=description,
        percent_x=True,
        percent_y=rates,
    )
