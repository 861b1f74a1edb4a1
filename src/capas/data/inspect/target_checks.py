"""Checks of structured targets against their inputs; examples that do not fit are left out.

A mask has the size of its image; the second image of a pair has the size of the first, or two, three or four times
that, the same for all; a transcript is not empty, and its line or recording is long enough for it; segments end where
their recording ends.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from capas.core.device import physical_cores
from capas.core.errors import CapasError
from capas.core.spec import FieldKind
from capas.data.audio.io import AudioInfo, read_audio_info
from capas.data.audio.segments import SegmentCollection, clip_segments
from capas.data.collections import AudioFiles, ExampleCollection, TextCollection
from capas.data.image.io import ImageCollection, ImageFiles
from capas.data.image.masks import IGNORE_INDEX, MaskFiles
from capas.data.problems import Problem, problems_from
from capas.data.sources.source import DataSource

# What reads a line answers so often: every 4 pixels of a line 48 pixels high, every 20 ms of a sound.
LINE_HEIGHT: Final = 48
PIXELS_PER_FRAME: Final = 4
FRAMES_PER_S: Final = 50
UPSCALING_FACTORS: Final = (1, 2, 3, 4)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetChecks:
    """The targets against their inputs.

    Attributes:
        fits: Whether each target fits its example.
        problems: Problems of those that do not.
        classes: The class indices in each mask; empty for targets that are no masks.
    """

    fits: tuple[bool, ...]
    problems: tuple[Problem, ...] = ()
    classes: tuple[frozenset[int], ...] = ()


def check_targets(source: DataSource) -> TargetChecks:
    """Check every target of ``source``. Raises the first target's CapasError where more than half cannot be read."""
    if isinstance(source.files, AudioFiles) and isinstance(source.targets, SegmentCollection):
        return _segments(source.files, source.targets)
    examine = _EXAMINE.get(source.target_kind) if source.target_kind is not None else None
    classes: tuple[frozenset[int], ...] = ()
    if source.files is not None and isinstance(source.targets, MaskFiles):
        kinds, classes = _masks(source.files, source.targets)
    elif examine is None or source.files is None or source.targets is None:
        return TargetChecks(fits=(True,) * len(source))
    else:
        kinds = examine(source.files, source.targets)
    names = {
        kind: [source.targets.name(i) for i, recording in enumerate(kinds) if recording == kind]
        for kind in kinds
        if kind
    }
    problems = [problem for kind, listed in names.items() for problem in problems_from(kind, listed)]
    return TargetChecks(fits=tuple(not kind for kind in kinds), problems=tuple(problems), classes=classes)


def _masks(inputs: ExampleCollection, masks: MaskFiles) -> tuple[list[str], tuple[frozenset[int], ...]]:
    """Per mask the kind of its problem, "" where there is none, and the classes in it."""
    assert isinstance(inputs, ImageCollection)
    with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
        read = list(pool.map(lambda i: _tried(lambda: _shape_and_classes(masks.decode(i))), range(len(masks))))
    _refuse_most(read)
    kinds = []
    for i, one in enumerate(read):
        picture = _size(inputs, i)
        differs = not isinstance(one, CapasError) and picture is not None and one[0] != picture
        kinds.append("broken_mask" if isinstance(one, CapasError) else "mask_differs" if differs else "")
    return kinds, tuple(frozenset() if isinstance(one, CapasError) else one[1] for one in read)


def _shape_and_classes(mask: NDArray[np.uint8]) -> tuple[tuple[int, int], frozenset[int]]:
    held = np.flatnonzero(np.bincount(mask.ravel(), minlength=256)[:IGNORE_INDEX])
    return (mask.shape[0], mask.shape[1]), frozenset(held.tolist())


def _pairs(inputs: ExampleCollection, targets: ExampleCollection) -> list[str]:
    assert isinstance(inputs, ImageCollection) and isinstance(targets, ImageFiles)
    with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
        sizes = list(pool.map(lambda i: _tried(lambda: targets.decode(i).shape[:2]), range(len(targets))))
    _refuse_most(sizes)
    ratios = [
        None if isinstance(size, CapasError) else _ratio(_size(inputs, i), (size[0], size[1]))
        for i, size in enumerate(sizes)
    ]
    common = most_common_ratio(ratios)
    return [
        "broken_target" if isinstance(size, CapasError) else "pair_differs" if ratio != common else ""
        for size, ratio in zip(sizes, ratios, strict=True)
    ]


def most_common_ratio(ratios: Sequence[int | None]) -> int | None:
    """Return the most frequent upscaling factor; None where no factor is a whole number."""
    counted = Counter(ratio for ratio in ratios if ratio is not None)
    return counted.most_common(1)[0][0] if counted else None


def upscaling_factor(inputs: ImageCollection, targets: ImageCollection, index: int) -> int | None:
    """Return the upscaling factor (1 to 4) of an image pair, from the headers; None where it is otherwise."""
    size = _size(targets, index)
    return None if size is None else _ratio(_size(inputs, index), size)


def _ratio(input_size: tuple[int, int] | None, target_size: tuple[int, int]) -> int | None:
    if input_size is None:
        return None
    return next((k for k in UPSCALING_FACTORS if (k * input_size[0], k * input_size[1]) == target_size), None)


def _size(pictures: ImageCollection, index: int) -> tuple[int, int] | None:
    info = _tried(lambda: pictures.info(index))
    return None if isinstance(info, CapasError) else (info.height, info.width)


def _transcripts(inputs: ExampleCollection, texts: ExampleCollection) -> list[str]:
    assert isinstance(texts, TextCollection)
    kinds = []
    for i, text in enumerate(texts.texts):
        frames = available_frames(inputs, i)
        if i in texts.failed:
            kinds.append("unreadable_text")
        elif not text.strip():
            kinds.append("empty_transcript")
        else:
            kinds.append("short_for_transcript" if frames is not None and frames < required_frames(text) else "")
    return kinds


def _segments(sounds: AudioFiles, segments: SegmentCollection) -> TargetChecks:
    """Those whose file of segments cannot be read do not fit; of the others, the segments are counted that do not."""
    if 2 * len(segments.failed) > len(segments):
        raise next(iter(segments.failed.values()))
    cut, beyond = list[str](), list[str]()
    for i, recording in enumerate(segments.segments):
        info = _tried(lambda path=sounds.paths[i]: read_audio_info(path))  # type: ignore[misc]
        if isinstance(info, AudioInfo):
            fitted = clip_segments(recording, info.seconds)
            cut += [segments.name(i)] * fitted.n_cut
            beyond += [segments.name(i)] * fitted.n_beyond
    problems = (
        *problems_from("unreadable_segments", [segments.name(i) for i in segments.failed]),
        *problems_from("segment_cut", dict.fromkeys(cut), severity="note", count=len(cut)),
        *problems_from("segment_beyond", dict.fromkeys(beyond), count=len(beyond)),
    )
    return TargetChecks(fits=tuple(i not in segments.failed for i in range(len(segments))), problems=problems)


def available_frames(inputs: ExampleCollection, index: int) -> int | None:
    """Return the number of CTC frames of a line or recording; None where unreadable."""
    if isinstance(inputs, AudioFiles):
        info = _tried(lambda: read_audio_info(inputs.paths[index]))
        return None if isinstance(info, CapasError) else 1 + int(info.seconds * FRAMES_PER_S)
    assert isinstance(inputs, ImageCollection)
    size = _size(inputs, index)
    return None if size is None else -(-round(size[1] * LINE_HEIGHT / size[0]) // PIXELS_PER_FRAME)


def required_frames(text: str) -> int:
    """Return the CTC frames that a text needs: one per character, and one between two equal ones.

    >>> required_frames("anno")
    5
    """
    return len(text) + sum(a == b for a, b in pairwise(text))


def _tried(read: Callable[[], T]) -> T | CapasError:
    try:
        return read()
    except CapasError as error:
        return error


def _refuse_most(results: Sequence[object]) -> None:
    failed = [result for result in results if isinstance(result, CapasError)]
    if 2 * len(failed) > len(results):
        raise failed[0]


_EXAMINE: Final[dict[FieldKind, Callable[[ExampleCollection, ExampleCollection], list[str]]]] = {
    "image": _pairs, "transcript": _transcripts,
}  # fmt: skip
