"""Targets that are files or texts of their own, held against what they belong to: what does not fit is left out.

A mask has the size of its picture; the second picture of a pair has the size of the first, or twice, three or four
times that, the same for all; a transcript is not empty, and its line or sound is long enough to hold it; segments end
where their sound ends.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeVar

from capas.core.device import physical_cores
from capas.core.errors import CapasError
from capas.core.spec import FieldKind
from capas.data.inputs import Inputs, Sounds, Texts
from capas.data.masks import Masks
from capas.data.pictures import FilePictures, Pictures
from capas.data.problems import Problem, found
from capas.data.segments import Segments, within
from capas.data.sound import SoundInfo, sound_info
from capas.data.sources import Source

# What reads a line answers so often: every 4 pixels of a line 48 pixels high, every 20 ms of a sound.
LINE_HEIGHT: Final = 48
PIXELS_PER_FRAME: Final = 4
FRAMES_PER_S: Final = 50
ENLARGEMENTS: Final = (1, 2, 3, 4)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetFiles:
    """Whether each target ``fits`` its example, and the ``problems`` of those that do not."""

    fits: tuple[bool, ...]
    problems: tuple[Problem, ...] = ()


def examine_targets(source: Source) -> TargetFiles:
    """Look at every target of ``source``. Raises the first target's CapasError where more than half cannot be read."""
    if isinstance(source.files, Sounds) and isinstance(source.targets, Segments):
        return _segments(source.files, source.targets)
    examine = _EXAMINE.get(source.target_kind) if source.target_kind is not None else None
    if examine is None or source.files is None or source.targets is None:
        return TargetFiles(fits=(True,) * len(source))
    kinds = examine(source.files, source.targets)
    names = {kind: [source.targets.name(i) for i, own in enumerate(kinds) if own == kind] for kind in kinds if kind}
    problems = [problem for kind, listed in names.items() for problem in found(kind, listed)]
    return TargetFiles(fits=tuple(not kind for kind in kinds), problems=tuple(problems))


def _masks(inputs: Inputs, masks: Inputs) -> list[str]:
    """Per mask the kind of its problem, "" where there is none."""
    assert isinstance(inputs, Pictures) and isinstance(masks, Masks)
    with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
        sizes = list(pool.map(lambda i: _tried(lambda: masks.decode(i).shape), range(len(masks))))
    _refuse_most(sizes)
    kinds = []
    for i, size in enumerate(sizes):
        picture = _size(inputs, i)
        differs = not isinstance(size, CapasError) and picture is not None and tuple(size) != picture
        kinds.append("broken_mask" if isinstance(size, CapasError) else "mask_differs" if differs else "")
    return kinds


def _pairs(inputs: Inputs, wanted: Inputs) -> list[str]:
    assert isinstance(inputs, Pictures) and isinstance(wanted, FilePictures)
    with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
        sizes = list(pool.map(lambda i: _tried(lambda: wanted.decode(i).shape[:2]), range(len(wanted))))
    _refuse_most(sizes)
    ratios = [
        None if isinstance(size, CapasError) else _ratio(_size(inputs, i), (size[0], size[1]))
        for i, size in enumerate(sizes)
    ]
    common = commonest_ratio(ratios)
    return [
        "broken_target" if isinstance(size, CapasError) else "pair_differs" if ratio != common else ""
        for size, ratio in zip(sizes, ratios, strict=True)
    ]


def commonest_ratio(ratios: Sequence[int | None]) -> int | None:
    """How many times larger most targets are than what is given; None where none is a whole number of times larger."""
    counted = Counter(ratio for ratio in ratios if ratio is not None)
    return counted.most_common(1)[0][0] if counted else None


def enlargement(inputs: Pictures, wanted: Pictures, index: int) -> int | None:
    """How many times larger (1 to 4) the second picture of a pair is, by its header; None where it is otherwise."""
    size = _size(wanted, index)
    return None if size is None else _ratio(_size(inputs, index), size)


def _ratio(given: tuple[int, int] | None, wanted: tuple[int, int]) -> int | None:
    if given is None:
        return None
    return next((k for k in ENLARGEMENTS if (k * given[0], k * given[1]) == wanted), None)


def _size(pictures: Pictures, index: int) -> tuple[int, int] | None:
    info = _tried(lambda: pictures.info(index))
    return None if isinstance(info, CapasError) else (info.height, info.width)


def _transcripts(inputs: Inputs, texts: Inputs) -> list[str]:
    assert isinstance(texts, Texts)
    kinds = []
    for i, text in enumerate(texts.texts):
        frames = frames_of(inputs, i)
        if i in texts.failed:
            kinds.append("unreadable_text")
        elif not text.strip():
            kinds.append("empty_transcript")
        else:
            kinds.append("short_for_transcript" if frames is not None and frames < frames_needed(text) else "")
    return kinds


def _segments(sounds: Sounds, segments: Segments) -> TargetFiles:
    """Those whose file of segments cannot be read do not fit; of the others, the segments are counted that do not."""
    if 2 * len(segments.failed) > len(segments):
        raise next(iter(segments.failed.values()))
    cut, beyond = list[str](), list[str]()
    for i, own in enumerate(segments.segments):
        info = _tried(lambda path=sounds.paths[i]: sound_info(path))  # type: ignore[misc]
        if isinstance(info, SoundInfo):
            fitted = within(own, info.seconds)
            cut += [segments.name(i)] * fitted.cut
            beyond += [segments.name(i)] * fitted.beyond
    problems = (
        *found("unreadable_segments", [segments.name(i) for i in segments.failed]),
        *found("segment_cut", dict.fromkeys(cut), severity="note", count=len(cut)),
        *found("segment_beyond", dict.fromkeys(beyond), count=len(beyond)),
    )
    return TargetFiles(fits=tuple(i not in segments.failed for i in range(len(segments))), problems=problems)


def frames_of(inputs: Inputs, index: int) -> int | None:
    """How many characters, or gaps between two that are the same, a line or sound can hold; None where unreadable."""
    if isinstance(inputs, Sounds):
        info = _tried(lambda: sound_info(inputs.paths[index]))
        return None if isinstance(info, CapasError) else 1 + int(info.seconds * FRAMES_PER_S)
    assert isinstance(inputs, Pictures)
    size = _size(inputs, index)
    return None if size is None else -(-round(size[1] * LINE_HEIGHT / size[0]) // PIXELS_PER_FRAME)


def frames_needed(text: str) -> int:
    """One for each character, and one between two that are the same.

    >>> frames_needed("anno")
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


_EXAMINE: Final[dict[FieldKind, Callable[[Inputs, Inputs], list[str]]]] = {
    "mask": _masks, "image": _pairs, "transcript": _transcripts,
}  # fmt: skip
