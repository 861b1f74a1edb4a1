"""One scan over every example, whatever its medium: content hash, errors, attributes, and statistics of the whole."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median_low
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.data.audio.io import AudioInfo, read_audio
from capas.data.collections import (
    AudioFiles,
    ExampleCollection,
    FilesWithColumns,
    SentenceCollection,
    TableRows,
    TextCollection,
)
from capas.data.image.io import ImageCollection
from capas.data.inspect.data_checks import image_problems
from capas.data.inspect.image_scan import ImageScan, scan_images
from capas.data.inspect.image_statistics import MinMedianMax, image_statistics
from capas.data.inspect.shortcuts import Value
from capas.data.problems import Problem, problems_from
from capas.data.tabular.column_types import Column, describe_column

Progress = Callable[[int, int], None]


@runtime_checkable
class DatasetStatistics(Protocol):
    """Statistics of the readable examples."""

    @property
    def kind(self) -> str:
        """The key under which ``look --json`` gives them."""

    def as_json(self) -> dict[str, object]:
        """Return the fields for ``--json``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetScan:
    """What the scan found.

    Attributes:
        content_hashes: Per example its hash, or the CapasError that makes it unusable.
        problems: Problems of the examples.
        statistics: Statistics of the readable examples; None where there are none.
        attributes: Properties of each example beside its content (size, format, length); None where unreadable.
        thumbnails: Thumbnails uint8 (16, 16) of the readable examples, for the search of near duplicates.
    """

    content_hashes: tuple[str | CapasError, ...]
    problems: tuple[Problem, ...]
    statistics: DatasetStatistics | None
    attributes: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    thumbnails: Mapping[int, NDArray[np.uint8]] | None = None

    @property
    def errors(self) -> dict[int, CapasError]:
        """What makes examples unusable, by their indices."""
        return {i: error for i, error in enumerate(self.content_hashes) if isinstance(error, CapasError)}


def scan_dataset(
    inputs: ExampleCollection, progress: Progress | None = None, columns: Mapping[str, Column] | None = None
) -> DatasetScan:
    """Scan every example.

    Args:
        inputs: The examples.
        progress: Called with (done, total).
        columns: What the columns of a table hold, where that is known.
    """
    if isinstance(inputs, FilesWithColumns):
        return scan_dataset(inputs.files, progress)
    if isinstance(inputs, ImageCollection):
        return _of_pictures(inputs, progress)
    if isinstance(inputs, TextCollection):
        return _of_texts(inputs)
    if isinstance(inputs, TableRows):
        return _of_rows(inputs, columns or {})
    if isinstance(inputs, AudioFiles):
        return _of_sounds(inputs, progress)
    if isinstance(inputs, SentenceCollection):
        return _of_sentences(inputs)
    raise TypeError(f"no survey of {type(inputs).__name__}")


def _of_pictures(pictures: ImageCollection, progress: Progress | None) -> DatasetScan:
    sights = scan_images(pictures, progress)
    return DatasetScan(
        content_hashes=tuple(sight.hash if isinstance(sight, ImageScan) else sight for sight in sights),
        problems=image_problems(sights, pictures.name),
        statistics=image_statistics([s for s in sights if isinstance(s, ImageScan)]),
        attributes=_image_attributes(sights),
        thumbnails={i: sight.thumbnail for i, sight in enumerate(sights) if isinstance(sight, ImageScan)},
    )


def _image_attributes(sights: Sequence[ImageScan | CapasError]) -> dict[str, list[Value]]:
    """Size, format, mode, bytes, brightness, and the brightness of each corner (a sixteenth of the image)."""

    def of(value: Callable[[ImageScan], Value]) -> list[Value]:
        return [value(sight) if isinstance(sight, ImageScan) else None for sight in sights]

    ends = {"top": slice(0, 4), "bottom": slice(12, 16), "left": slice(0, 4), "right": slice(12, 16)}
    black = np.zeros((16, 16), dtype=np.uint8)
    thumbnails = np.array([s.thumbnail if isinstance(s, ImageScan) else black for s in sights]).reshape(-1, 16, 16)
    corners: dict[str, list[Value]] = {}
    for rows in ("top", "bottom"):
        for columns in ("left", "right"):
            means = thumbnails[:, ends[rows], ends[columns]].mean(axis=(1, 2)).tolist()
            pairs = zip(sights, means, strict=True)
            corners[f"{rows}_{columns}"] = [mean if isinstance(sight, ImageScan) else None for sight, mean in pairs]
    return {
        "size": of(lambda s: f"{s.info.width}×{s.info.height}"),
        "format": of(lambda s: s.info.format),
        "mode": of(lambda s: s.info.mode),
        "bytes": of(lambda s: float(s.info.bytes)),
        "brightness": of(lambda s: s.mean),
        **corners,
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class TextStatistics:
    """Numbers of words (separated by white space) and of characters per text."""

    count: int
    words: MinMedianMax
    characters: MinMedianMax
    kind: str = "texts"

    def as_json(self) -> dict[str, object]:
        return {"count": self.count, "words": self.words.as_json(), "characters": self.characters.as_json()}


def _of_texts(texts: TextCollection) -> DatasetScan:
    contents: list[str | CapasError] = []
    for i, text in enumerate(texts.texts):
        empty = not text.strip()
        problem = texts.failed.get(i) or (CapasError("text_empty", where=texts.name(i)) if empty else None)
        contents.append(problem or texts.content_hash(i))
    readable = [text for text in texts.texts if text.strip()]
    statistics = TextStatistics(
        count=len(readable),
        words=min_median_max([len(text.split()) for text in readable]),
        characters=min_median_max([len(text) for text in readable]),
    )
    empty_names = [texts.name(i) for i, text in enumerate(texts.texts) if not text.strip() and i not in texts.failed]
    with_nul = [texts.name(i) for i, error in texts.failed.items() if error.key == "table_broken"]
    unreadable = [texts.name(i) for i in texts.failed if texts.name(i) not in set(with_nul)]
    problems = (
        *problems_from("unreadable_text", unreadable),
        *problems_from("text_with_nul", with_nul),
        *problems_from("legacy_encoding", texts.legacy, severity="note"),
        *problems_from("empty_text", empty_names),
    )
    return DatasetScan(
        content_hashes=tuple(contents), problems=problems, statistics=statistics if readable else None,
        attributes={"characters": [float(len(text)) for text in texts.texts]},
    )  # fmt: skip


def _of_sentences(sentences: SentenceCollection) -> DatasetScan:
    lengths = [len(words) for words in sentences.sentences]
    characters = [sum(map(len, words)) + len(words) - 1 for words in sentences.sentences]
    return DatasetScan(
        content_hashes=tuple(sentences.content_hash(i) for i in range(len(sentences))),
        problems=(),
        statistics=TextStatistics(
            count=len(lengths), words=min_median_max(lengths), characters=min_median_max(characters)
        ),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioStatistics:
    """Durations in seconds, and the counts of sampling rates in Hz and of formats."""

    count: int
    total_s: float
    shortest_s: float
    median_s: float
    longest_s: float
    sample_rates: Mapping[int, int]
    formats: Mapping[str, int]
    kind: str = "sounds"

    @property
    def most_common_sample_rate(self) -> int:
        """In Hz."""
        return max(self.sample_rates, key=lambda rate: self.sample_rates[rate])

    def as_json(self) -> dict[str, object]:
        seconds = {"min": self.shortest_s, "median": self.median_s, "max": self.longest_s, "total": self.total_s}
        rates = {str(rate): count for rate, count in self.sample_rates.items()}
        return {"count": self.count, "seconds": {n: round(s, 3) for n, s in seconds.items()}, "rates_hz": rates,
                "formats": dict(self.formats)}  # fmt: skip


def _of_sounds(sounds: AudioFiles, progress: Progress | None) -> DatasetScan:
    contents: list[str | CapasError] = []
    infos: list[AudioInfo] = []
    for i, path in enumerate(sounds.paths):
        try:
            sound = read_audio(path)  # a header can promise what the file does not hold
            infos.append(sound.info)
            contents.append(sounds.content_hash(i))
        except CapasError as error:
            contents.append(error)
        if progress is not None:
            progress(i + 1, len(sounds))
    failed = [(sounds.name(i), error.key) for i, error in enumerate(contents) if isinstance(error, CapasError)]
    silent = [name for name, key in failed if key in ("sound_silent", "sound_empty")]
    long = [name for name, key in failed if key == "sound_too_long"]
    corrupt = [name for name, _ in failed if name not in {*silent, *long}]
    problems = (
        *problems_from("corrupt_sound", corrupt),
        *problems_from("silent_sound", silent),
        *problems_from("long_sound", long),
    )
    by_example = iter(infos)
    seen = [None if isinstance(content, CapasError) else next(by_example) for content in contents]
    attributes: dict[str, list[Value]] = {
        "seconds": [None if info is None else info.seconds for info in seen],
        "rate": [None if info is None else str(info.sample_rate) for info in seen],
        "format": [None if info is None else info.format for info in seen],
    }
    return DatasetScan(
        content_hashes=tuple(contents), problems=problems, statistics=_sound_statistics(infos), attributes=attributes
    )


def _sound_statistics(infos: Sequence[AudioInfo]) -> AudioStatistics | None:
    if not infos:
        return None
    seconds = sorted(info.seconds for info in infos)
    return AudioStatistics(
        count=len(infos), total_s=sum(seconds), shortest_s=seconds[0], median_s=seconds[(len(seconds) - 1) // 2],
        longest_s=seconds[-1], sample_rates=dict(Counter(info.sample_rate for info in infos).most_common()),
        formats=dict(Counter(info.format for info in infos).most_common()),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class TableStatistics:
    """The kind of each input column of a table, and how many of its cells are empty."""

    count: int
    kinds: Mapping[str, str]
    missing: Mapping[str, int]
    kind: str = "table"

    def as_json(self) -> dict[str, object]:
        columns = [{"name": n, "kind": kind, "missing": self.missing[n]} for n, kind in self.kinds.items()]
        return {"count": self.count, "columns": columns}


def _of_rows(rows: TableRows, known: Mapping[str, Column]) -> DatasetScan:
    columns = {name: known.get(name) or describe_column(name, cells) for name, cells in rows.columns.items()}
    blank = np.ones(len(rows), dtype=bool)
    for cells in rows.columns.values():
        blank &= cells.missing
    missing = {name: len(rows) - column.filled for name, column in columns.items()}
    sparse = [f"{name} ({missing[name]})" for name in columns if 5 * missing[name] > len(rows)]
    contents: list[str | CapasError] = [*rows.content_hashes()]
    for i in np.flatnonzero(blank).tolist():
        contents[i] = CapasError("row_empty", where=rows.name(i))
    return DatasetScan(
        content_hashes=tuple(contents),
        problems=(
            *problems_from("empty_row", [rows.name(i) for i in np.flatnonzero(blank).tolist()]),
            *problems_from("many_missing", sparse, severity="note"),
            *problems_from("constant_column", [n for n, c in columns.items() if c.distinct == 1], severity="note"),
        ),
        statistics=TableStatistics(
            count=len(rows) - int(blank.sum()), kinds={n: c.kind for n, c in columns.items()}, missing=missing
        ),
    )


def min_median_max(numbers: Sequence[int]) -> MinMedianMax:
    """Return minimum, median and maximum; zeros where there are no numbers."""
    if not numbers:
        return MinMedianMax(minimum=0, median=0, maximum=0)
    return MinMedianMax(minimum=min(numbers), median=median_low(numbers), maximum=max(numbers))
