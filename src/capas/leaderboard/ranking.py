"""Ranks among comparable entries: the same examples, split, metric and protocol."""

from collections.abc import Sequence
from dataclasses import dataclass

from capas.engine.recipe import LOWER_IS_BETTER_METRICS
from capas.leaderboard.entry import Entry


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedEntry:
    """An entry with its rank from 1 (equal values share one).

    ``as_good_as_best`` where the intervals overlap, so that the difference may be chance.
    """

    entry: Entry
    rank: int
    as_good_as_best: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Contest:
    """Comparable entries, the best first."""

    lines: Sequence[RankedEntry]

    @property
    def first(self) -> Entry:
        """The first entry, which describes the contest."""
        return self.lines[0].entry


def group_contests(entries: Sequence[Entry]) -> list[Contest]:
    """Group ``entries`` into contests, those with most entries first."""
    groups: dict[tuple[str, str, str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.key, []).append(entry)
    return [Contest(lines=rank_entries(group)) for group in sorted(groups.values(), key=len, reverse=True)]


def rank_entries(entries: Sequence[Entry]) -> list[RankedEntry]:
    """Rank the entries of one contest. Raises ValueError for entries of several."""
    if len({entry.key for entry in entries}) > 1:
        raise ValueError("lines of several contests")
    lower = lower_is_better(entries[0].metric)
    ordered = sorted(entries, key=lambda entry: entry.value if lower else -entry.value)
    values = [entry.value for entry in ordered]
    best = ordered[0]
    return [
        RankedEntry(entry=entry, rank=values.index(entry.value) + 1, as_good_as_best=_overlap(entry, best))
        for entry in ordered
    ]


def lower_is_better(metric: str) -> bool:
    """Return whether lower values of a metric are better; ``mae_height`` is one target's ``mae``."""
    return any(metric == name or metric.startswith(f"{name}_") for name in LOWER_IS_BETTER_METRICS)


def _overlap(entry: Entry, best: Entry) -> bool:
    if entry.low is None or entry.high is None or best.low is None or best.high is None:
        return entry.value == best.value
    return entry.low <= best.high and best.low <= entry.high
