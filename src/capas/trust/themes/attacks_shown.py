"""What attacks leave right, as a table and as lines."""

from collections.abc import Sequence
from typing import Final

from capas.core.figures import figure_text, percent
from capas.core.messages import say
from capas.tasks.metrics import Rate
from capas.trust.attack_check import Failure
from capas.trust.blocks import Grid, Line, Plot, Sentence
from capas.trust.theme import Finding

# In grey levels of 255: what no one sees, what one sees when told, what anyone sees.
SIZES: Final = (2 / 255, 8 / 255, 0.1)
FRAGILE: Final = 0.5  # of what noise leaves right


def checks_said(failures: Sequence[Failure]) -> Sentence:
    """Whether the figures can be believed."""
    if failures:
        return Sentence(text=say("trust.attacks.no_verdict"), tone="problem")
    return Sentence(text=say("trust.attacks.passed"), tone="good")


def not_valid(failures: Sequence[Failure]) -> Finding:
    """That they cannot, and why."""
    names = "; ".join(say(f"trust.attacks.failures.{failure.value}") for failure in failures)
    return Finding(key="attacks_not_valid", gravity="problem", text=say("trust.attacks.invalid", names=names))


def right_after_table(found: dict[str, list[Rate]], note: str) -> Grid:
    """What is left at each size, by way of attacking."""
    heads = ["", *(say("trust.attacks.size", size=percent(eps, 1)) for eps in SIZES)]
    rows = [[say(f"trust.attacks.ways.{n}"), *(figure_text(r.as_json()) for r in rates)] for n, rates in found.items()]
    return Grid(
        title=say("trust.attacks.right_after"),
        heads=heads,
        rows=rows,
        right=tuple(range(1, len(heads))),
        note=note,
    )


def right_after_plot(found: dict[str, list[Rate]]) -> Plot:
    """The same as lines."""
    lines = [
        Line(
            name=say(f"trust.attacks.ways.{name}"),
            xs=[100 * eps for eps in SIZES],
            ys=[r.value for r in rates],
            lows=[r.interval[0] for r in rates],
            highs=[r.interval[1] for r in rates],
            dashed=name == "noise",
        )
        for name, rates in found.items()
    ]
    description = "; ".join(f"{line.name}: {', '.join(percent(y, 0) for y in line.ys)}" for line in lines)
    return Plot(
        title=say("trust.attacks.curve"),
        x=say("trust.attacks.axis"),
        y=say("trust.attacks.right"),
        lines=lines,
        description=description,
    )
