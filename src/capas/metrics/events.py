"""Event-based evaluation of frame classification: segments matched within a collar.

A segment is found where one of the same class has both ends within a collar of its own (200 ms; Mesaros, Heittola &
Virtanen, "Metrics for Polyphonic Sound Event Detection", Applied Sciences 6(6), 2016, section 3.2, there with half of a
long segment's length for its end besides); each counts once. Frames of class 0 are of no segment.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from capas.decoding.label_runs import BACKGROUND, label_runs

COLLAR_S: Final = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class EventCounts:
    """Numbers of target segments, predicted segments, and matches."""

    matched: int
    n_targets: int
    n_predicted: int


def match_events(targets: Iterable[int], predicted: Iterable[int], *, collar: int) -> EventCounts:
    """Count matching segments of two paths; ``collar`` in frames, ends at that distance still match."""
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
