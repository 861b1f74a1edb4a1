"""Theme of subgroups: metrics by class, and by every column of a table that has few values."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast

from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_metric, metric_value
from capas.data.tabular.column_types import class_label
from capas.trust.pair_errors import compares_pairs, pair_groups_theme
from capas.trust.rendering.blocks import Bar, Bars, Block, Grid, Sentence, metric_bar
from capas.trust.subgroups.class_imbalance import ClassImbalance, class_imbalance
from capas.trust.subgroups.example_properties import example_properties
from capas.trust.subgroups.per_example_metrics import per_example_metric
from capas.trust.subgroups.slices import MIN_SLICED, Slice, clusters, quarter_slices, worse_slices
from capas.trust.subgroups.subgroup_accuracy import MIN_SUBGROUP_SIZE, SubgroupAccuracy, subgroup_accuracies
from capas.trust.subgroups.subgroup_metrics import (
    subgroup_metric_findings,
    subgroup_metric_grid,
    subgroup_metric_json,
)
from capas.trust.subgroups.subgroup_ratios import subgroup_ratios
from capas.trust.subjects.run_context import RunContext
from capas.trust.subjects.single_output import ModelUnderTest, correct_test_predictions
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import ThemeContext

MAX_VALUES, MAX_SHOWN = 20, 12
LARGE_GAP = 0.05
CLASS_GAP = SLICE_GAP = 0.1
MAX_SLICES = 2
UNEVEN = 5.0


def groups_theme(context: ThemeContext) -> Theme:
    """Return the theme of subgroups."""
    subject = context.subject
    if compares_pairs(context.run_context.metrics):
        return pair_groups_theme(context.run_context.metrics)
    if subject is None:
        return _of_many(context)
    if context.run_context.task == "tag":
        return _by_class_alone(context)
    right = correct_test_predictions(subject)
    facts: dict[str, object] = {"right_means": _meaning(subject), "n": len(right), "columns": {}}
    blocks: list[Block] = [Sentence(text=say(f"trust.groups.right.{_meaning(subject)}"))]
    findings: list[Finding] = []
    judged: list[SubgroupAccuracy] = []
    if subject.run_context.task == "classify":
        found = _balance(subject, right)
        facts["imbalance"] = _balance_json(found)
        blocks += [_balance_bars(found)]
        findings += _balance_findings(found)
        by_class = _by_class(subject, right)
        findings += _class_findings(by_class)
        judged += by_class
    for name, values in grouping_columns(subject.run_context, subject.test.positions.tolist()).items():
        by_value = subgroup_accuracies(right, values)
        judged += by_value
        cast(dict[str, object], facts["columns"])[name] = [_group_json(group) for group in by_value]
        blocks.append(_grid(name, by_value))
        findings += _group_findings(name, by_value)
    if not facts["columns"]:
        blocks.append(Sentence(text=say("trust.groups.no_columns")))
    worse, slices = _sliced(subject, right)
    facts["slices"] = [{"property": one.property, **_group_json(one.group)} for one in worse]
    findings += [_slice_finding(one) for one in worse[:MAX_SLICES]]
    return Theme(
        name="groups",
        facts=facts,
        blocks=blocks,
        findings=findings,
        untested=[say("trust.groups.untested")],
        partly_tested=[] if slices and not judged else _hardly_judged(judged),
    )


def _sliced(subject: ModelUnderTest, right: Tensor) -> tuple[list[Slice], int]:
    """Slices by quarters of plain properties and by clusters that do worse, and how many ways of slicing there were."""
    slices = quarter_slices(example_properties(subject, subject.test))
    if len(right) >= MIN_SLICED:
        slices[say("trust.groups.clusters")] = clusters(subject.test.features)
    return worse_slices(right, slices, min_gap=SLICE_GAP), len(slices)


def _slice_finding(one: Slice) -> Finding:
    text = say(
        "trust.groups.worse_slice",
        property=one.property,
        name=one.group.name,
        n=one.group.accuracy.n,
        right=format_metric(one.group.accuracy.as_json()),
        others=format_metric(one.group.others.as_json()),
    )
    return Finding(key="slice_gap", gravity="attention", text=text)


def _by_class(subject: ModelUnderTest, right: Tensor) -> list[SubgroupAccuracy]:
    """The recall of each class beside that of all others."""
    classes = subject.run_context.classes
    return list(subgroup_accuracies(right, [classes[k] for k in subject.test.targets.tolist()]))


def _class_findings(found: Sequence[SubgroupAccuracy]) -> list[Finding]:
    """Classes are not equally hard, so only a wide gap is told; the worst of them."""
    worse = sorted((g for g in found if g.differs and g.interval[1] < -CLASS_GAP), key=lambda g: g.gap)[:1]
    return [
        Finding(
            key="class_gap",
            gravity="attention",
            text=say(
                "trust.groups.worse_class",
                name=g.name,
                right=format_metric(g.accuracy.as_json()),
                others=format_metric(g.others.as_json()),
            ),
        )
        for g in worse
    ]


def _hardly_judged(found: Sequence[SubgroupAccuracy]) -> list[str]:
    """What to say where nothing was compared, or where half of the groups or more are too small to be found equal."""
    small = [group for group in found if group.differs is None]
    if not found:
        return [say("trust.groups.nothing_compared")]
    if 2 * len(small) < len(found):
        return []
    names = ", ".join(f"{group.name} (n = {group.accuracy.n})" for group in small[:MAX_SHOWN])
    return [say("trust.groups.too_small", names=names)]


def _meaning(subject: ModelUnderTest) -> str:
    return "class" if subject.run_context.task == "classify" else "number"


def grouping_columns(run_context: RunContext, positions: Sequence[int]) -> dict[str, list[str]]:
    """Return the columns that are no target and have 2 to 20 values among the examples at ``positions``."""
    spec = run_context.record.spec
    files = () if spec.medium == "table" else set(spec.inputs) - set(spec.columns_beside)
    left_out = {field.name for field in (*spec.targets, *files)}
    indices = [run_context.indices[i] for i in positions]
    columns = {}
    for name, cells in run_context.source.columns.items():
        if name in left_out:
            continue
        values = [class_label(cells[i]) or "–" for i in indices]
        different = set(values)
        if 2 <= len(different) <= MAX_VALUES and values.count("–") < len(values) / 2:
            columns[name] = values
    return columns


def _balance(subject: ModelUnderTest, right: Tensor) -> ClassImbalance:
    counts = Counter(
        int(cast(int, label))
        for label, split in zip(subject.run_context.record.labels, subject.run_context.record.splits, strict=True)
        if split == "train"
    )
    classes = subject.run_context.classes
    return class_imbalance([counts[k] for k in range(len(classes))], right, subject.test.targets, classes)


def _balance_json(found: ClassImbalance) -> dict[str, object]:
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


def _balance_bars(found: ClassImbalance) -> Bars:
    worst = sorted(found.classes, key=lambda c: c.recall.value)[:MAX_SHOWN]
    bars = [
        Bar(
            label=f"{c.name} ({format_decimal(c.count, 0)})",
            value=c.recall.value,
            low=c.recall.interval[0],
            high=c.recall.interval[1],
            value_text=format_metric(c.recall.as_json()) + f" n={c.recall.n}",
            tone="attention" if c.rare else "plain",
        )
        for c in worst
    ]
    return Bars(title=say("trust.groups.classes"), bars=bars, note=say("trust.groups.classes_note"))


def _balance_findings(found: ClassImbalance) -> list[Finding]:
    if found.ratio < UNEVEN:
        return []
    ratio = format_decimal(found.ratio, 0) if math.isfinite(found.ratio) else "∞"
    names = ", ".join(c.name for c in found.classes if c.rare)
    if found.rare.n < MIN_SUBGROUP_SIZE or not names:
        text = say("trust.groups.uneven", ratio=ratio)
        if names:
            text += " " + say("trust.groups.rare", names=names)
        return [Finding(key="imbalance", gravity="attention", text=text)]
    key = "trust.groups.uneven_harms" if found.interval[1] < 0 else "trust.groups.uneven_no_harm"
    text = say(
        key,
        ratio=ratio,
        names=names,
        rare=format_metric(found.rare.as_json()),
        common=format_metric(found.common.as_json()),
    )
    return [Finding(key="imbalance", gravity="attention", text=text)]


def _group_json(group: SubgroupAccuracy) -> dict[str, object]:
    low, high = group.interval
    return {
        "name": group.name,
        "right": group.accuracy.as_json(),
        "gap": round(group.gap, 6),
        "gap_interval": [round(low, 6), round(high, 6)],
        "differs": group.differs,
    }


def _grid(name: str, found: Sequence[SubgroupAccuracy]) -> Grid:
    heads = [name, "n", say("trust.groups.right_rate"), say("trust.groups.gap"), ""]
    rows = []
    for group in found[:MAX_SHOWN]:
        low, high = (format_decimal(100 * end, 1) for end in group.interval)
        verdict = (
            say("trust.groups.too_few", n=min(group.accuracy.n, group.others.n))
            if group.differs is None
            else (say("trust.groups.differs") if group.differs else "")
        )
        rows.append(
            [
                group.name,
                str(group.accuracy.n),
                format_metric(group.accuracy.as_json()),
                f"{format_decimal(100 * group.gap, 1)} ({low}–{high})",
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


def _group_findings(name: str, found: Sequence[SubgroupAccuracy]) -> list[Finding]:
    worse = [g for g in found if g.differs and g.gap < -LARGE_GAP]
    return [
        Finding(
            key="group_gap",
            gravity="attention",
            text=say(
                "trust.groups.worse",
                column=name,
                name=g.name,
                right=format_metric(g.accuracy.as_json()),
                others=format_metric(g.others.as_json()),
            ),
        )
        for g in worse
    ]


def _by_class_alone(context: ThemeContext) -> Theme:
    """Of other kinds of answer: the figures by class that the test left."""
    per_class = cast(Mapping[str, Mapping[str, object]], context.run_context.metrics.get("per_class", {}))
    name = next((n for figures in per_class.values() for n in figures), None)
    if name is None:
        return Theme(name="groups", not_computed_because=say("trust.groups.no_classes"))
    held = {cls: figures[name] for cls, figures in per_class.items() if name in figures}
    worst = sorted(held.items(), key=lambda pair: metric_value(pair[1]))[:MAX_SHOWN]
    bars = [metric_bar(cls, figure) for cls, figure in worst]
    blocks: list[Block] = [Bars(title=say("trust.groups.by_class", figure=name), bars=bars)]
    facts: dict[str, object] = {"figure": name, "per_class": dict(held)}
    return Theme(name="groups", facts=facts, blocks=blocks, untested=[say("trust.groups.untested")])


def _of_many(context: ThemeContext) -> Theme:
    """By class, and by column with each example's own figure."""
    by_class, own, rng = (
        _by_class_alone(context),
        per_example_metric(context.run_context),
        context.run_context.rng("groups"),
    )
    columns = {} if own is None else grouping_columns(context.run_context, own.positions)
    if own is None or (not columns and by_class.not_computed_because is not None):
        return by_class
    facts: dict[str, object] = {**by_class.facts, "by_column": own.name, "n": len(own.positions), "columns": {}}
    blocks, findings = list(by_class.blocks), list[Finding]()
    for name, values in columns.items():
        found = subgroup_ratios(own.numerator, own.denominator, values, rng)
        cast(dict[str, object], facts["columns"])[name] = [subgroup_metric_json(group, own) for group in found]
        blocks.append(subgroup_metric_grid(name, found[:MAX_SHOWN], own))
        findings += subgroup_metric_findings(name, found, own)
    if not columns:
        blocks.append(Sentence(text=say("trust.groups.no_columns")))
    return Theme(name="groups", facts=facts, blocks=blocks, findings=findings, untested=[say("trust.groups.untested")])
