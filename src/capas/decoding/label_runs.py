"""Runs of equal labels over frames, and the removal of short ones.

A run becomes a segment of the recording; runs of class 0 are of no segment.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from jaxtyping import Float, Int
from torch import Tensor

BACKGROUND: Final = 0


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class LabelRun:
    """Frames ``start`` to ``end`` - 1 are of class ``label``."""

    start: int
    end: int
    label: int


def label_runs(path: Iterable[int]) -> list[LabelRun]:
    """Return the runs of equal classes, class 0 included.

    >>> [(run.start, run.end, run.label) for run in label_runs([0, 2, 2, 1])]
    [(0, 1, 0), (1, 3, 2), (3, 4, 1)]
    """
    found, place = [], 0
    for number, frames in groupby(path):
        end = place + sum(1 for _ in frames)
        found.append(LabelRun(start=place, end=end, label=number))
        place = end
    return found


def remove_short_runs(path: Sequence[int], min_frames: int) -> list[int]:
    """Return ``path`` without runs of fewer than ``min_frames`` frames.

    The shortest first, each takes the class of the longer of its neighbours. A path of a single run stays.

    >>> remove_short_runs([0, 0, 1, 0, 0, 0, 2, 2, 2], 2)
    [0, 0, 0, 0, 0, 0, 2, 2, 2]
    """
    pieces = [(run.end - run.start, run.label) for run in label_runs(path)]
    for length in range(1, min_frames):
        if all(own != length for own, _ in pieces):
            continue
        pieces = _joined(_without(pieces, length))
    return [number for length, number in pieces for _ in range(length)]


def _without(pieces: Sequence[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """From left to right, runs of this length given to a neighbour; what has grown already is left alone."""
    result = list[tuple[int, int]]()
    for place, (own, number) in enumerate(pieces):
        before = result[-1] if result else (0, BACKGROUND)
        after = pieces[place + 1] if place + 1 < len(pieces) else (0, BACKGROUND)
        if before[0] and before[1] == number:
            result[-1] = (before[0] + own, number)
        elif own != length or not before[0] + after[0]:
            result.append((own, number))
        elif before[0] >= after[0]:
            result[-1] = (before[0] + own, before[1])
        else:
            result.append((own, after[1]))
    return result


def _joined(pieces: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    return [
        (sum(length for length, _ in same), number) for number, same in groupby(pieces, key=lambda one: one[1])
    ]  # fmt: skip


def mean_run_probability(probabilities_TK: Float[Tensor, "T K"], run: LabelRun) -> float:
    """Return the mean probability of a run's class over its frames."""
    return float(probabilities_TK[run.start : run.end, run.label].mean())


def smoothed_best_path(probabilities_TK: Float[Tensor, "T K"], min_frames: int) -> list[int]:
    """Return the arg max class of every frame, without runs shorter than ``min_frames`` frames."""
    path: Int[Tensor, " T"] = probabilities_TK.argmax(1)
    return remove_short_runs(path.tolist(), min_frames)
