"""What the leakage theme says of speakers, patients, places or days that are in training and test alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_percent
from capas.data.inspect.name_groups import MIN_EXAMPLES, may_be_groups, name_parts
from capas.data.tabular.column_types import class_label, describe_column, has_month_first, parse_date
from capas.trust.leakage.shared_groups import (
    GroupedComparison,
    compare_by_group,
    compare_by_time,
    distinct_groupings,
    mixed_in_time,
    seen_share,
)
from capas.trust.rendering.blocks import Grid
from capas.trust.subjects.run_context import RunContext
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Finding

COMPARED: Final = 1000
MAX_COMPARED: Final = 12  # columns and parts of names
MIN_GROUPS_GIVEN: Final = 8  # different values of a column that is an input
MIN_SEEN: Final = 0.2  # of the test, in groups that the training has too


@dataclass(slots=True)
class GroupChecks:
    """What was found: rows of a table, facts and findings."""

    rows: list[list[str]] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def blocks(self) -> list[Grid]:
        """The table; none where nothing was compared."""
        heads = [say("trust.leakage.groups.name"), say("trust.leakage.groups.seen"), say("trust.leakage.groups.random"),
                 say("trust.leakage.groups.apart")]  # fmt: skip
        title, note = say("trust.leakage.groups.title"), say("trust.leakage.groups.note")
        return [Grid(title=title, heads=heads, rows=self.rows, right=(1, 2, 3), note=note)] if self.rows else []


def group_checks(subject: ModelUnderTest) -> GroupChecks:
    """Compare, for all that may name groups or times, a nearest neighbour at random and by group."""
    case, found = subject.run_context, GroupChecks()
    positions = _drawn(case)
    if len(positions) < MIN_EXAMPLES or case.task not in ("classify", "regress"):
        return found
    targets = subject.targets[positions] if case.task == "classify" else subject.targets[positions].float()[:, 0]
    splits = [case.record.splits[i] for i in positions.tolist()]
    own, held = subject.adapter.columns_of(subject.inputs), dict[str, Tensor]()

    def features_without(name: str) -> Tensor:
        key = name if name in own else ""  # only a column that is an input makes a difference
        if key not in held:
            held[key] = subject.neighbour_features(positions, key)
        return held[key]

    for name, values in _groupings(case, positions, targets).items():
        seen = seen_share(_of(values, splits, "train"), _of(values, splits, "test"))
        if seen >= MIN_SEEN:
            features = features_without(name)
            rng = case.rng(f"groups {name}")
            compared = compare_by_group(features, targets, values, rng, classes=case.task == "classify")
            _add(found, case, name, seen, compared, by_time=False)
    for name, times in _times(case, positions).items():
        test = torch.tensor([split == "test" for split in splits])
        if mixed_in_time(times[~test], times[test]):
            # With the time itself, where it is an input: a test at random lets a model read off what was just before.
            features = features_without("")
            rng = case.rng(f"times {name}")
            compared = compare_by_time(features, targets, times, rng, classes=case.task == "classify")
            _add(found, case, name, 1.0, compared, by_time=True)
    return found


def _drawn(case: RunContext) -> Tensor:
    """At most 1,000 training and test examples."""
    both = torch.cat([case.record.positions(split) for split in ("train", "test") if split in case.record.splits])
    return both[torch.randperm(len(both), generator=case.rng("groups drawn"))[:COMPARED]].sort().values


def _of(values: Sequence[str], splits: Sequence[str], split: str) -> list[str]:
    return [value for value, own in zip(values, splits, strict=True) if own == split]


def _groupings(case: RunContext, positions: Tensor, targets: Tensor) -> dict[str, Sequence[str]]:
    """Columns and parts of the files' names that repeat and are not the target."""
    spec, rows = case.record.spec, [case.indices[i] for i in positions.tolist()]
    left_out = {field.name for field in spec.targets} | ({"class"} if spec.medium != "table" else set())
    if spec.medium != "table":
        left_out |= {field.name for field in set(spec.inputs) - set(spec.columns_beside)}
    found: dict[str, Sequence[str]] = {
        name: [class_label(cells[i]) or "–" for i in rows]
        for name, cells in case.source.columns.items()
        if name not in left_out and describe_column(name, cells).kind not in ("date", "number")
    }
    if spec.medium in ("image", "audio", "text") and case.source.layout != "table":
        parts = name_parts([case.record.names[i] for i in positions.tolist()])
        found |= {say("trust.leakage.name_part", number=number): values for number, values in parts.items()}
    given = {field.name for field in (spec.inputs if spec.medium == "table" else spec.columns_beside)}
    usable = {
        name: values
        for name, values in found.items()
        if may_be_groups(values, targets.tolist()) and (name not in given or _many_different(case, name, values))
    }
    return dict(list(distinct_groupings(usable).items())[:MAX_COMPARED])


def _many_different(case: RunContext, name: str, values: Sequence[str]) -> bool:
    """Whether an input names groups of which new ones may come, and not a few kinds that are all known, or a count."""
    counted = describe_column(name, case.source.columns[name]).kind == "few_numbers"
    return not counted and len(set(values)) >= MIN_GROUPS_GIVEN


def _times(case: RunContext, positions: Tensor) -> dict[str, Tensor]:
    rows = [case.indices[i] for i in positions.tolist()]
    targets, found = {field.name for field in case.record.spec.targets}, {}
    for name, cells in case.source.columns.items():
        if name in targets or describe_column(name, cells).kind != "date":
            continue
        month_first = bool(has_month_first(cells))
        dates = [parse_date(cells[i], month_first=month_first) for i in rows]
        if all(date is not None for date in dates) and len(set(dates)) > 2:
            found[name] = torch.tensor([float(date.toordinal()) for date in dates if date is not None])
    return found


def _add(
    found: GroupChecks, case: RunContext, name: str, seen: float, compared: GroupedComparison, *, by_time: bool
) -> None:
    random, apart = (_shown(case, value) for value in (compared.at_random, compared.by_group))
    found.rows.append([name, format_percent(seen, 0), random, apart])
    found.facts[name] = {
        "by": "time" if by_time else "group",
        "seen": round(seen, 4),
        "n": compared.n,
        "error_at_random": round(compared.at_random, 6),
        "error_apart": round(compared.by_group, 6),
        "differs": compared.differs,
    }
    if not compared.differs:
        return
    values: Mapping[str, str] = {"name": name, "random": random, "apart": apart}
    if by_time:
        text, key = say("trust.leakage.mixed_in_time", **values), "test_mixed_in_time"
    else:
        text, key = say("trust.leakage.shared_group", share=format_percent(seen, 0), **values), "shared_group"
        if name in case.source.columns:
            text += " " + say("trust.leakage.use_group", name=name)
    found.findings.append(Finding(key=key, gravity="problem", text=text))


def _shown(case: RunContext, error: float) -> str:
    """The share that is right, or the mean error of a number."""
    if case.task == "classify":
        return say("trust.leakage.right_on", share=format_percent(1 - error))
    return say("trust.leakage.off_by", error=format_decimal(error, 3))
