"""Is it as good for everyone? Figures by class, and by every column of a table that has few values."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast

from torch import Tensor

from capas.core.figures import decimal, figure_text, value_of
from capas.core.messages import say
from capas.data.columns import as_class
from capas.trust.asked import Asked
from capas.trust.blocks import Bar, Bars, Block, Grid, Sentence
from capas.trust.groups import LEAST, Group, Imbalance, group_figures, imbalance
from capas.trust.groups_of_figures import figure_findings, figure_grid, figure_json
from capas.trust.own_figures import own_figures
from capas.trust.ratio_groups import ratio_groups
from capas.trust.subject import Case, Subject
from capas.trust.theme import Finding, Theme

MOST_VALUES, MOST_SHOWN = 20, 12
LARGE_GAP = 0.05
UNEVEN = 5.0


def groups(asked: Asked) -> Theme:
    """See the module."""
    subject = asked.subject
    if subject is None:
        return _of_many(asked)
    if asked.case.task == "tag":
        return _by_class_alone(asked)
    right = right_ones(subject)
    facts: dict[str, object] = {"right_means": _meaning(subject), "n": len(right), "columns": {}}
    blocks: list[Block] = [Sentence(text=say(f"trust.groups.right.{_meaning(subject)}"))]
    findings: list[Finding] = []
    if subject.case.task == "classify":
        found = _balance(subject, right)
        facts["imbalance"] = _balance_json(found)
        blocks += [_balance_bars(found)]
        findings += _balance_findings(found)
    for name, values in grouping_columns(subject.case, subject.test.positions.tolist()).items():
        by_value = group_figures(right, values)
        cast(dict[str, object], facts["columns"])[name] = [_group_json(group) for group in by_value]
        blocks.append(_grid(name, by_value))
        findings += _group_findings(name, by_value)
    if not facts["columns"]:
        blocks.append(Sentence(text=say("trust.groups.no_columns")))
    return Theme(name="groups", facts=facts, blocks=blocks, findings=findings, untested=[say("trust.groups.untested")])


def right_ones(subject: Subject) -> Tensor:
    """Which test examples (N) were answered rightly; of numbers, which are not off by more than twice the median."""
    part = subject.test
    if subject.case.task == "classify":
        return part.answers.argmax(1) == part.targets
    off = (part.answers - part.targets).abs()
    return (off <= 2 * off.median(0).values).all(1)


def _meaning(subject: Subject) -> str:
    return "class" if subject.case.task == "classify" else "number"


def grouping_columns(case: Case, positions: Sequence[int]) -> dict[str, list[str]]:
    """The columns of the table that are no target and have 2 to 20 values among the examples at ``positions``."""
    spec = case.record.spec
    left_out = {field.name for field in (*spec.targets, *(spec.inputs if spec.medium != "table" else ()))}
    indices = [case.indices[i] for i in positions]
    columns = {}
    for name, cells in case.source.columns.items():
        if name in left_out:
            continue
        values = [as_class(cells[i]) or "–" for i in indices]
        different = set(values)
        if 2 <= len(different) <= MOST_VALUES and values.count("–") < len(values) / 2:
            columns[name] = values
    return columns


def _balance(subject: Subject, right: Tensor) -> Imbalance:
    counts = Counter(
        int(cast(int, label))
        for label, split in zip(subject.case.record.labels, subject.case.record.splits, strict=True)
        if split == "train"
    )
    classes = subject.case.classes
    return imbalance([counts[k] for k in range(len(classes))], right, subject.test.targets, classes)


def _balance_json(found: Imbalance) -> dict[str, object]:
    low, high = found.interval
    return {
        "ratio": round(found.ratio, 3) if math.isfinite(found.ratio) else None,
        "rare_recall": found.rare.as_json(),
        "common_recall": found.common.as_json(),
        "gap": {
            "value": round(found.gap, 6),
            "n": found.rare.n + found.common.n,
            "interval": [round(low, 6), round(high, 6)],
        },
        "classes": [
            {"name": c.name, "train": c.count, "rare": c.rare, "recall": c.recall.as_json()} for c in found.classes
        ],
    }


def _balance_bars(found: Imbalance) -> Bars:
    worst = sorted(found.classes, key=lambda c: c.recall.value)[:MOST_SHOWN]
    bars = [
        Bar(
            label=f"{c.name} ({decimal(c.count, 0)})",
            value=c.recall.value,
            low=c.recall.interval[0],
            high=c.recall.interval[1],
            shown=figure_text(c.recall.as_json()) + f" n={c.recall.n}",
            tone="attention" if c.rare else "plain",
        )
        for c in worst
    ]
    return Bars(title=say("trust.groups.classes"), bars=bars, note=say("trust.groups.classes_note"))


def _balance_findings(found: Imbalance) -> list[Finding]:
    if found.ratio < UNEVEN:
        return []
    ratio = decimal(found.ratio, 0) if math.isfinite(found.ratio) else "∞"
    names = ", ".join(c.name for c in found.classes if c.rare)
    if found.rare.n < LEAST or not names:
        text = say("trust.groups.uneven", ratio=ratio)
        return [Finding(key="imbalance", gravity="attention", text=text)]
    key = "trust.groups.uneven_harms" if found.interval[1] < 0 else "trust.groups.uneven_no_harm"
    text = say(
        key,
        ratio=ratio,
        names=names,
        rare=figure_text(found.rare.as_json()),
        common=figure_text(found.common.as_json()),
    )
    return [Finding(key="imbalance", gravity="attention", text=text)]


def _group_json(group: Group) -> dict[str, object]:
    low, high = group.interval
    return {
        "name": group.name,
        "right": group.right.as_json(),
        "gap": round(group.gap, 6),
        "gap_interval": [round(low, 6), round(high, 6)],
        "differs": group.differs,
    }


def _grid(name: str, found: Sequence[Group]) -> Grid:
    heads = [name, "n", say("trust.groups.right_rate"), say("trust.groups.gap"), ""]
    rows = []
    for group in found[:MOST_SHOWN]:
        low, high = (decimal(100 * end, 1) for end in group.interval)
        verdict = (
            say("trust.groups.too_few", n=min(group.right.n, group.others.n))
            if group.differs is None
            else (say("trust.groups.differs") if group.differs else "")
        )
        rows.append(
            [
                group.name,
                str(group.right.n),
                figure_text(group.right.as_json()),
                f"{decimal(100 * group.gap, 1)} ({low}–{high})",
                verdict,
            ]
        )
    return Grid(
        title=say("trust.groups.column", name=name),
        heads=heads,
        rows=rows,
        right=(1, 2, 3),
        note=say("trust.groups.column_note"),
    )


def _group_findings(name: str, found: Sequence[Group]) -> list[Finding]:
    worse = [g for g in found if g.differs and g.gap < -LARGE_GAP]
    return [
        Finding(
            key="group_gap",
            gravity="attention",
            text=say(
                "trust.groups.worse",
                column=name,
                name=g.name,
                right=figure_text(g.right.as_json()),
                others=figure_text(g.others.as_json()),
            ),
        )
        for g in worse
    ]


def _by_class_alone(asked: Asked) -> Theme:
    """Of other kinds of answer: the figures by class that the test left."""
    per_class = cast(Mapping[str, Mapping[str, object]], asked.case.metrics.get("per_class", {}))
    name = next((n for figures in per_class.values() for n in figures), None)
    if name is None:
        return Theme(name="groups", not_computed_because=say("trust.groups.no_classes"))
    held = {cls: figures[name] for cls, figures in per_class.items() if name in figures}
    worst = sorted(held.items(), key=lambda pair: value_of(pair[1]))[:MOST_SHOWN]
    bars = [_class_bar(cls, figure) for cls, figure in worst]
    blocks: list[Block] = [Bars(title=say("trust.groups.by_class", figure=name), bars=bars)]
    facts: dict[str, object] = {"figure": name, "per_class": dict(held)}
    return Theme(name="groups", facts=facts, blocks=blocks, untested=[say("trust.groups.untested")])


def _of_many(asked: Asked) -> Theme:
    """By class, and by column with each example's own figure."""
    by_class, own, rng = _by_class_alone(asked), own_figures(asked.case), asked.case.chance("groups")
    columns = {} if own is None else grouping_columns(asked.case, own.positions)
    if own is None or (not columns and by_class.not_computed_because is not None):
        return by_class
    facts: dict[str, object] = {**by_class.facts, "by_column": own.name, "n": len(own.positions), "columns": {}}
    blocks, findings = list(by_class.blocks), list[Finding]()
    for name, values in columns.items():
        found = ratio_groups(own.top, own.bottom, values, rng)
        cast(dict[str, object], facts["columns"])[name] = [figure_json(group, own) for group in found]
        blocks.append(figure_grid(name, found[:MOST_SHOWN], own))
        findings += figure_findings(name, found, own)
    if not columns:
        blocks.append(Sentence(text=say("trust.groups.no_columns")))
    return Theme(name="groups", facts=facts, blocks=blocks, findings=findings, untested=[say("trust.groups.untested")])


def _class_bar(name: str, figure: object) -> Bar:
    low = high = None
    if isinstance(figure, Mapping) and "interval" in figure:
        low, high = cast(Sequence[float], figure["interval"])
    return Bar(label=name, value=value_of(figure), low=low, high=high, shown=figure_text(figure))
