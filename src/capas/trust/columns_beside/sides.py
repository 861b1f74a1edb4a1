"""What each side of a model tells alone: its pictures or sounds, and the columns beside them.

Without columns: all cells of the test examples missing, as the network has seen some rows in training. Without content:
the pictures or sounds exchanged among the test examples, so that each is a real one, and says nothing of its row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch

from capas.core.i18n import say
from capas.core.number_format import format_metric, is_rate, metric_name, metric_value
from capas.engine.recipe import LOWER_IS_BETTER_METRICS
from capas.engine.recipes.single_output.columns_beside.predictor import PreparedWithColumns, ReaderWithColumns
from capas.trust.columns_beside.held_columns import contents_of
from capas.trust.rendering.blocks import Bars, Block, metric_bar
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Finding
from capas.trust.theme_context import MIN_TEST_EXAMPLES, ThemeContext

Metric = Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class SideMetrics:
    """The headline metric of the test examples, with both sides and with one of them.

    Attributes:
        name: The metric.
        n: Number of test examples.
        both: As the model is used.
        content_alone: With every cell missing.
        columns_alone: With the contents exchanged.
    """

    name: str
    n: int
    both: Metric
    content_alone: Metric
    columns_alone: Metric

    def as_json(self) -> dict[str, object]:
        """Return the facts."""
        return {
            "metric": self.name, "both": dict(self.both), "content_alone": dict(self.content_alone),
            "columns_alone": dict(self.columns_alone),
        }  # fmt: skip

    @property
    def columns_decide(self) -> bool:
        """Whether the content is not shown to add anything, though the columns tell more than it does."""
        alone, other = metric_value(self.columns_alone), metric_value(self.content_alone)
        low, high = cast(Sequence[float], self.both.get("interval", (-torch.inf, torch.inf)))
        if self.name in LOWER_IS_BETTER_METRICS:
            return high >= alone and alone < other
        return low <= alone and alone > other


def side_metrics(subject: ModelUnderTest) -> SideMetrics | None:
    """Return what each side tells alone; None for a model without columns beside its content."""
    reader, part = subject.reader, subject.test
    if not isinstance(reader, ReaderWithColumns) or len(part) < 2:
        return None
    held = [cast(PreparedWithColumns, one) for one in part.prepared]
    missing = reader.preparation.encode([{}])
    # Each gets that of the next in a random order, so that none keeps its own.
    order = torch.randperm(len(held), generator=subject.run_context.rng("sides"))
    others = contents_of(part.prepared)
    exchanged = list(others)
    for place, taken in zip(order.tolist(), order.roll(1).tolist(), strict=True):
        exchanged[place] = others[taken]
    asked = {
        "both": held,
        "content_alone": [replace(one, row=missing) for one in held],
        "columns_alone": [replace(one, content=other) for one, other in zip(held, exchanged, strict=True)],
    }
    names = subject.run_context.example_names(part.positions)
    head = subject.predictor.output_head
    found = {
        side: head.evaluate(subject.predictions(inputs), part.targets, names, None).metrics
        for side, inputs in asked.items()
    }
    name = next(iter(found["both"]))
    figures = {side: _as_metric(metrics[name]) for side, metrics in found.items()}
    return SideMetrics(name=name, n=len(held), **figures)


def _as_metric(figure: object) -> Metric:
    return cast(Metric, figure) if isinstance(figure, Mapping) else {"value": metric_value(figure)}


def side_blocks(sides: SideMetrics | None) -> list[Block]:
    """Return the three figures as bars; nothing for a model without columns beside."""
    if sides is None:
        return []
    bars = [
        metric_bar(say("trust.beside.both"), sides.both),
        metric_bar(say("trust.beside.content_alone"), sides.content_alone),
        metric_bar(say("trust.beside.columns_alone"), sides.columns_alone),
    ]
    largest = 1.0 if is_rate(sides.both) else max(max(bar.value, bar.high or 0.0) for bar in bars) or 1.0
    note = say("trust.quality.lower_is_better") + " " if sides.name in LOWER_IS_BETTER_METRICS else ""
    title = say("trust.beside.title", figure=metric_name(sides.name))
    return [Bars(title=title, bars=bars, largest=largest, note=note + say("trust.beside.note", n=sides.n))]


def side_findings(context: ThemeContext, sides: SideMetrics | None) -> list[Finding]:
    """Return the finding that the columns decide by themselves, where enough was tested to say so."""
    if sides is None or sides.n < MIN_TEST_EXAMPLES or not sides.columns_decide:
        return []
    text = say(
        "trust.beside.columns_decide",
        noun=context.example_noun,
        alone=format_metric(sides.columns_alone),
        both=format_metric(sides.both),
    )
    return [Finding(key="columns_decide", gravity="attention", text=text)]
