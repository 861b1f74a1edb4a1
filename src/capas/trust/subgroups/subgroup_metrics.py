"""Report blocks, facts and findings of groups compared by a ratio metric (overlap, character error rate, decibels)."""

from collections.abc import Sequence

from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_metric, metric_name
from capas.trust.rendering.blocks import Grid
from capas.trust.subgroups.per_example_metrics import PerExampleMetric
from capas.trust.subgroups.subgroup_ratios import SubgroupRatio
from capas.trust.theme import Finding

LARGE_GAP, LARGE_GAP_DB = 0.05, 1.0


def subgroup_metric_json(group: SubgroupRatio, own: PerExampleMetric) -> dict[str, object]:
    """Return the facts of one group."""
    return {
        "name": group.name,
        "figure": ratio_metric_json(group, own),
        "others": round(group.others, 6),
        "gap": round(group.gap, 6),
        "gap_interval": [round(end, 6) for end in group.gap_interval],
        "differs": group.differs,
    }


def ratio_metric_json(group: SubgroupRatio, own: PerExampleMetric) -> dict[str, object]:
    """Return the group's metric in the form of every ``--json``."""
    unit = {} if own.unit is None else {"unit": own.unit}
    interval = [round(end, 6) for end in group.interval]
    return {"value": round(group.value, 6), "n": group.n, "interval": interval, **unit}


def subgroup_metric_grid(column: str, found: Sequence[SubgroupRatio], own: PerExampleMetric) -> Grid:
    """Return a table of the groups of one column."""
    scale, digits = (100, 1) if own.unit is None else (1, 2)
    rows = []
    for group in found:
        low, high = (format_decimal(scale * end, digits) for end in group.gap_interval)
        said = say("trust.groups.differs") if group.differs else ""
        if group.differs is None:
            said = say("trust.groups.too_few", n=group.n)
        gap = f"{format_decimal(scale * group.gap, digits)} ({low}–{high})"
        rows.append([group.name, str(group.n), format_metric(ratio_metric_json(group, own)), gap, said])
    heads = [column, "n", metric_name(own.name), say("trust.many.gap"), ""]
    note = say("trust.many.column_note")
    return Grid(title=say("trust.groups.column", name=column), heads=heads, rows=rows, right=(1, 2, 3), note=note)


def subgroup_metric_findings(column: str, found: Sequence[SubgroupRatio], own: PerExampleMetric) -> list[Finding]:
    """Return findings about groups that are significantly worse."""
    large = LARGE_GAP if own.unit is None else LARGE_GAP_DB
    unit = {} if own.unit is None else {"unit": own.unit}
    return [
        Finding(
            key="group_gap",
            gravity="attention",
            text=say(
                "trust.many.worse",
                column=column,
                name=group.name,
                figure=metric_name(own.name),
                value=format_metric(ratio_metric_json(group, own)),
                others=format_metric({"value": group.others, **unit}),
            ),
        )
        for group in found
        if group.differs and own.sign * group.gap < -large
    ]
