"""Frames as segments: runs of one class, short ones taken away, and how many are found.

A segment counts as found where one of the same class has both ends within a collar of its own (200 ms; Mesaros,
Heittola & Virtanen, "Metrics for Polyphonic Sound Event Detection", Applied Sciences 6(6), 2016, section 3.2, there
with half of a long segment's length for its end besides); each counts once. Frames of class 0 are of no segment.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from jaxtyping import Float, Int
from torch import Tensor

COLLAR_S: Final = 0.2
NOTHING: Final = 0


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Run:
    """Frames ``start`` to ``end`` - 1 are of class ``number``."""

    start: int
    end: int
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EventCounts:
    """Segments that are ``wanted``, that were ``said``, and how many of both are the same: ``found``."""

    found: int
    wanted: int
    said: int


def runs(path: Iterable[int]) -> list[Run]:
    """The runs of equal classes, those of nothing too.

    >>> [(run.start, run.end, run.number) for run in runs([0, 2, 2, 1])]
    [(0, 1, 0), (1, 3, 2), (3, 4, 1)]
    """
    found, place = [], 0
    for number, frames in groupby(path):
        end = place + sum(1 for _ in frames)
        found.append(Run(start=place, end=end, number=number))
        place = end
    return found


def smoothed(path: Sequence[int], shortest: int) -> list[int]:
    """``path`` without runs of fewer than ``shortest`` frames: shortest first, each becomes what the longer of its
    neighbours is. A path of a single run stays.

    >>> smoothed([0, 0, 1, 0, 0, 0, 2, 2, 2], 2)
    [0, 0, 0, 0, 0, 0, 2, 2, 2]
    """
    held = [(run.end - run.start, run.number) for run in runs(path)]
    for length in range(1, shortest):
        if all(own != length for own, _ in held):
            continue
        held = _joined(_without(held, length))
    return [number for length, number in held for _ in range(length)]


def _without(held: Sequence[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """From left to right, runs of this length given to a neighbour; what has grown already is left alone."""
    result = list[tuple[int, int]]()
    for place, (own, number) in enumerate(held):
        before = result[-1] if result else (0, NOTHING)
        after = held[place + 1] if place + 1 < len(held) else (0, NOTHING)
        if before[0] and before[1] == number:
            result[-1] = (before[0] + own, number)
        elif own != length or not before[0] + after[0]:
            result.append((own, number))
        elif before[0] >= after[0]:
            result[-1] = (before[0] + own, before[1])
        else:
            result.append((own, after[1]))
    return result


def _joined(held: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    return [
        (sum(length for length, _ in same), number) for number, same in groupby(held, key=lambda one: one[1])
    ]  # fmt: skip


def counted(truth: Iterable[int], predicted: Iterable[int], *, collar: int) -> EventCounts:
    """How many segments are found; ``collar`` in frames, ends at that distance still being within."""
    wanted, said = ([run for run in runs(path) if run.number != NOTHING] for path in (truth, predicted))
    free, found = list(said), 0
    # Neither side overlaps itself, so that starts and ends are both in order: the first that fits is the best.
    for one in wanted:
        for other in free:
            near = abs(one.start - other.start) <= collar and abs(one.end - other.end) <= collar
            if near and one.number == other.number:
                free.remove(other)
                found += 1
                break
    return EventCounts(found=found, wanted=len(wanted), said=len(said))


def run_probability(probabilities_TK: Float[Tensor, "T K"], run: Run) -> float:
    """The mean probability of a run's class over its frames."""
    return float(probabilities_TK[run.start : run.end, run.number].mean())


def best_path(probabilities_TK: Float[Tensor, "T K"], shortest: int) -> list[int]:
    """The likeliest class of every frame, without runs shorter than ``shortest`` frames."""
    path: Int[Tensor, " T"] = probabilities_TK.argmax(1)
    return smoothed(path.tolist(), shortest)
