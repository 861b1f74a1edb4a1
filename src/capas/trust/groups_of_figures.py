"""Groups compared by a figure that is no yes or no (overlap with the truth, errors by character, decibels)."""

from collections.abc import Sequence

from capas.core.figures import decimal, figure_name, figure_text
from capas.core.messages import say
from capas.trust.blocks import Grid
from capas.trust.own_figures import OwnFigures
from capas.trust.ratio_groups import RatioGroup
from capas.trust.theme import Finding

LARGE_GAP, LARGE_GAP_DB = 0.05, 1.0


def figure_json(group: RatioGroup, own: OwnFigures) -> dict[str, object]:
    """One group in the facts."""
    return {
        "name": group.name,
        "figure": figure_of(group, own),
        "others": round(group.others, 6),
        "gap": round(group.gap, 6),
        "gap_interval": [round(end, 6) for end in group.gap_interval],
        "differs": group.differs,
    }


def figure_of(group: RatioGroup, own: OwnFigures) -> dict[str, object]:
    """The group's figure as every ``--json`` gives it."""
    unit = {} if own.unit is None else {"unit": own.unit}
    interval = [round(end, 6) for end in group.interval]
    return {"value": round(group.value, 6), "n": group.n, "interval": interval, **unit}


def figure_grid(column: str, found: Sequence[RatioGroup], own: OwnFigures) -> Grid:
    """A table of the groups of one column."""
    scale, digits = (100, 1) if own.unit is None else (1, 2)
    rows = []
    for group in found:
        low, high = (decimal(scale * end, digits) for end in group.gap_interval)
        said = say("trust.groups.differs") if group.differs else ""
        if group.differs is None:
            said = say("trust.groups.too_few", n=group.n)
        gap = f"{decimal(scale * group.gap, digits)} ({low}–{high})"
        rows.append([group.name, str(group.n), figure_text(figure_of(group, own)), gap, said])
    heads = [column, "n", figure_name(own.name), say("trust.many.gap"), ""]
    note = say("trust.many.column_note")
    return Grid(title=say("trust.groups.column", name=column), heads=heads, rows=rows, right=(1, 2, 3), note=note)


def figure_findings(column: str, found: Sequence[RatioGroup], own: OwnFigures) -> list[Finding]:
    """Groups that fare clearly worse."""
    large = LARGE_GAP if own.unit is None else LARGE_GAP_DB
    unit = {} if own.unit is None else {"unit": own.unit}
    return [
        Finding(
            key="group_gap",
            gravity="attention",
            text=say(
                "trust.many.worse", column=column, name=group.name, figure=figure_name(own.name),
                value=figure_text(figure_of(group, own)), others=figure_text({"value": group.others, **unit}),
            ),
        )
        for group in found
        if group.differs and own.sign * group.gap < -large
    ]  # fmt: skip
