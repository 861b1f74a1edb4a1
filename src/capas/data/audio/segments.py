"""Labelled segments of a recording: each a start, an end and a class; what no segment covers is of the class
``NO_CLASS``.

Frame t (of ``hop_s`` seconds) belongs to a segment where start ≤ t · hop_s < end. Segments of one recording never
overlap: of two that do, the later one is left out, unless they have the same label (then they are merged) or overlap by
no more than ``ROUNDING_TOLERANCE_S``, which is how programs round.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from capas.core.errors import CapasError
from capas.core.files import content_hash

if TYPE_CHECKING:
    import torch  # heavy: who reads segments to look at them does without

NO_CLASS: Final = "none"
ROUNDING_TOLERANCE_S: Final = 0.01
MAX_OVERRUN_S: Final = (
    0.1  # a segment may end so much behind the end of its sound; more means that it belongs to another
)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Segment:
    """A ``label`` from ``start_s`` to ``end_s`` (seconds, 0 ≤ start < end)."""

    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ClippedSegments:
    """The segments of a recording clipped to its duration.

    Attributes:
        kept: The segments inside.
        n_cut: Number of segments shortened at the end.
        n_beyond: Number of segments left out behind the end.
    """

    kept: tuple[Segment, ...]
    n_cut: int
    n_beyond: int


class SegmentCollection:
    """Segments of every recording as a target, in order.

    ``failed`` could not be read; ``rows`` is the name of the label column where all stand in one table.
    """

    def __init__(
        self, segments: Sequence[Sequence[Segment]], names: Sequence[str],
        failed: Mapping[int, CapasError] | None = None, *, rows: str = "",
    ) -> None:  # fmt: skip
        if len(segments) != len(names):
            raise ValueError(f"segments of {len(segments)} recordings, {len(names)} names")
        self.segments = tuple(map(tuple, segments))
        self.failed = dict(failed or {})
        self.rows = rows
        self._names = tuple(names)

    def __len__(self) -> int:
        return len(self.segments)

    def name(self, index: int) -> str:
        return self._names[index]

    def content_hash(self, index: int) -> str:
        return content_hash(repr(self.segments[index]).encode("utf-8", "backslashreplace"))

    @property
    def classes(self) -> tuple[str, ...]:
        """``NO_CLASS`` first, then the labels in alphabetical order."""
        return (NO_CLASS, *sorted({one.label for own in self.segments for one in own} - {NO_CLASS}))


def remove_overlaps(found: Sequence[Segment]) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """Return segments in order of time that do not overlap, and those that were left out for it.

    >>> kept, out = remove_overlaps([Segment(start_s=0, end_s=2, label="a"), Segment(start_s=1, end_s=3, label="b")])
    >>> [one.label for one in kept], [one.label for one in out]
    (['a'], ['b'])
    """
    kept, left_out = list[Segment](), list[Segment]()
    for one in sorted(found):
        before = kept[-1] if kept else None
        if before is None or one.start_s >= before.end_s:
            kept.append(one)
        elif one.label == before.label:
            kept[-1] = replace(before, end_s=max(before.end_s, one.end_s))
        elif one.start_s >= before.end_s - ROUNDING_TOLERANCE_S and one.end_s > before.end_s:
            kept.append(replace(one, start_s=before.end_s))
        else:
            left_out.append(one)
    return tuple(kept), tuple(left_out)


def clip_segments(segments: Sequence[Segment], seconds: float) -> ClippedSegments:
    """Clip segments to a duration of ``seconds``.

    What ends a little behind it is cut, what ends far behind it is left out.
    """
    kept, cut, beyond = list[Segment](), 0, 0
    for one in segments:
        if one.end_s <= seconds:
            kept.append(one)
        elif one.end_s >= seconds + MAX_OVERRUN_S or one.start_s >= seconds:
            beyond += 1
        else:
            # What headers and programs round away is not worth a word.
            cut += one.end_s > seconds + ROUNDING_TOLERANCE_S
            kept.append(replace(one, end_s=seconds))
    return ClippedSegments(kept=tuple(kept), n_cut=cut, n_beyond=beyond)


def frame_classes(segments: Sequence[Segment], classes: Sequence[str], frames: int, hop_s: float) -> "torch.Tensor":
    """Return the class index of each of ``frames`` (T) frames, int64, shape (T,); 0 where there is no segment."""
    import torch

    number = {name: i for i, name in enumerate(classes)}
    times = torch.arange(frames, dtype=torch.float64) * hop_s
    labels = torch.zeros(frames, dtype=torch.long)
    for one in segments:
        # Half a microsecond: 0.29 s is not 29 · 0.01 s in binary.
        labels[(times >= one.start_s - 5e-7) & (times < one.end_s - 5e-7)] = number[one.label]
    return labels
