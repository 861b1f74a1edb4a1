"""TODO docstring."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from capas.decoding.label_runs import BACKGROUND, label_runs

COLLAR_S: Final = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class EventCounts:
    """Segments that are ``n_targets``, that were ``n_predicted``, and how many of both are the same: ``matched``."""

    matched: int
    n_targets: int
    n_predicted: int


def match_events(targets: Iterable[int], predicted: Iterable[int], *, collar: int) -> EventCounts:
    """How many segments are found; ``collar`` in frames, ends at that distance still being within."""
    wanted, said = ([run for run in label_runs(path) if run.label != BACKGROUND] for path in (targets, predicted))
    free, found = list(said), 0
    # Neither side overlaps itself, so that starts and ends are both in order: the first that fits is the best.
    for one in wanted:
        for other in free:
            near = abs(one.start - other.start) <= collar and abs(one.end - other.end) <= collar
            if near and one.label == other.label:
                free.remove(other)
                found += 1
                break
    return EventCounts(matched=found, n_targets=len(wanted), n_predicted=len(said))
