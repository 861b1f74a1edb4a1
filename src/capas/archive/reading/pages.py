"""Transcription of pages: line detection or lines of a transcript, text per line, and spots of every probable word.

A page needs only its row, its lines and the model, so that pages can be read in any process; the results are stored by
one: first the spots, then the page with the model's hash. A page interrupted between the two is read again, and the
same spots replace the first ones.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from capas.archive.library.database import Library, PageRow
from capas.archive.library.scans import decode_page
from capas.archive.reading.index_provenance import read_index_provenance
from capas.archive.reading.index_stores import (
    IndexLocation,
    is_known,
    open_store,
    read_location,
    remove_store,
    replace_store,
    stored_location,
    write_location,
)
from capas.archive.reading.posteriors import pack_posteriors, unpack_posteriors
from capas.core.errors import CapasError
from capas.decoding.alphabet import Alphabet
from capas.engine.recipes.transcription.line_reader import LineReader
from capas.keyword_index.characters import is_word_character
from capas.keyword_index.hyphenation import hyphenated_spots
from capas.keyword_index.line_spots import line_spots
from capas.keyword_index.store import IndexOrigin, Spot, SpotStore
from capas.page_formats.formats import read_page
from capas.page_formats.layout.line_images import Picture, crop_line, line_extents
from capas.page_formats.page import Line, Page, ParsedPage, baseline_fault, scale_page

LEAST: Final = 0.01
PAGES_PER_JOB: Final = 4
COMPACT_AT: Final = 100  # pages: replaced ones leave room behind
HYPHENS: Final = "-\N{NOT SIGN}\N{DOUBLE OBLIQUE HYPHEN}\N{HYPHEN}="
Finder = Callable[[Picture], tuple[Line, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadingJob:
    """Pages to read, each with its lines, or None where they are still to be detected."""

    pages: tuple[tuple[PageRow, tuple[Line, ...] | None], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LineReading:
    """The transcription of one line: text, confidence, packed posteriors (``posteriors.pack_posteriors``) and spots."""

    text: str
    confidence: float
    posteriors: bytes
    spots: tuple[Spot, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PageReading:
    """The transcription of one page, or its problem.

    Attributes:
        page: The page.
        lines: Its lines.
        origin: Their origin, as ``Library.set_lines`` takes it; None where the page had them already.
        readings: The transcription of each line.
        problem: Why the page cannot be read, or "".
        skipped: Lines whose geometry is unusable.
    """

    page: int
    lines: tuple[Line, ...]
    origin: str | None
    readings: tuple[LineReading, ...] = ()
    problem: str = ""
    skipped: int = 0


@runtime_checkable
class ReadingWorkers(Protocol):
    """Processes reading jobs: in this process (``LocalReader``), or in many (``ray_workers.RayWorkers``)."""

    def outcomes(self, jobs: Iterable[ReadingJob]) -> Iterator[list[PageReading]]:
        """Iterate over the results of the jobs, in their order."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalReader:
    """Reads in this process."""

    reader: LineReader
    finder: Finder
    min_probability: float

    def outcomes(self, jobs: Iterable[ReadingJob]) -> Iterator[list[PageReading]]:
        for job in jobs:
            yield [
                read_archive_page(page, lines, self.reader, self.finder, self.min_probability)
                for page, lines in job.pages
            ]


@dataclass(kw_only=True, slots=True)
class ReadingReport:
    """Counts of what was read, and the pages that could not be, with the reason."""

    pages: int = 0
    lines: int = 0
    spots: int = 0
    skipped: int = 0
    bad: list[tuple[str, str]] = field(default_factory=list)


def read_pages(
    library: Library,
    workers: ReadingWorkers,
    origin: IndexOrigin,
    *,
    unit: str = "",
    force: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> ReadingReport:
    """Read the pages of ``unit`` that this model has not read and store the results.

    Args:
        library: The library.
        workers: Process the jobs.
        origin: Origin of the spots; an index holds spots of one origin, so replacing it reads lost pages again.
        unit: Unit to read; all if "".
        force: Whether to read all its pages.
        progress: Called with (done, total).

    Raises:
        CapasError: ``other_pages_lost``, see ``refuse_losing_pages``.
    """
    refuse_losing_pages(library, origin, unit)
    report = ReadingReport()
    with open_index(library, origin) as store:
        indexed = set(store.pages())
        pages = [page for page in library.pages(unit)
                 if force or page.model != origin.model or str(page.id) not in indexed]  # fmt: skip
        for outcomes in workers.outcomes(_jobs(library, pages)):
            for outcome in outcomes:
                _keep(library, store, outcome, origin.model, report)
                progress(report.pages + len(report.bad), len(pages))
        if force or report.pages > COMPACT_AT:
            store.compact()
    return report


@contextmanager
def open_index(library: Library, origin: IndexOrigin) -> Iterator[SpotStore]:
    """Open the index for adding spots; one of another origin is first rebuilt from this model's stored posteriors."""
    place = read_location(library)
    try:
        store = open_store(library, place, origin)
    except CapasError as error:
        if error.key != "spots_differ":
            raise
        with open_store(library, place) as former:
            same_model = former.origin.model == origin.model
            comparable = former.origin.temperature == origin.temperature or not same_model
        if comparable:
            reindex(library, read_index_provenance(library).alphabet, origin, lambda done, of: None)
        else:
            remove_store(library, place)
        store = open_store(library, place, origin)
    with store:
        yield store


def refuse_losing_pages(library: Library, origin: IndexOrigin, unit: str) -> None:
    """Raise CapasError ``other_pages_lost`` where pages outside of ``unit`` were read by another model.

    An index holds the spots of one model only.
    """
    here = library.pages_of(unit) if unit else None
    others = [page for page in library.pages() if here is not None and str(page.id) not in here]
    if lost := sum(page.model not in ("", origin.model) for page in others):
        raise CapasError("other_pages_lost", where=library.folder, received=lost)


def _jobs(library: Library, pages: Sequence[PageRow]) -> Iterator[ReadingJob]:
    for start in range(0, len(pages), PAGES_PER_JOB):
        part = pages[start : start + PAGES_PER_JOB]
        yield ReadingJob(pages=tuple((page, _known_lines(library, page)) for page in part))


def _known_lines(library: Library, page: PageRow) -> tuple[Line, ...] | None:
    return tuple(row.line for row in library.lines(page.id)) if page.lines_from else None


def _keep(library: Library, store: SpotStore, outcome: PageReading, model: str, report: ReadingReport) -> None:
    if outcome.problem:
        library.set_problem(outcome.page, outcome.problem)
        report.bad.append((library.page(outcome.page).source, outcome.problem))
        return
    spots = [spot for answer in outcome.readings for spot in answer.spots]
    store.add([str(outcome.page)], spots)
    if outcome.origin is not None:
        library.set_lines(outcome.page, outcome.lines, origin=outcome.origin)
    library.set_answers(outcome.page, [(one.text, one.confidence, one.posteriors) for one in outcome.readings], model)
    report.pages, report.lines = report.pages + 1, report.lines + len(outcome.readings)
    report.spots, report.skipped = report.spots + len(spots), report.skipped + outcome.skipped


def read_archive_page(
    page: PageRow, lines: tuple[Line, ...] | None, reader: LineReader, finder: Finder, least: float
) -> PageReading:
    """Read one page; a page that cannot be read is a result too."""
    try:
        picture = decode_page(Path(page.source), page.frame, hash=page.hash)
        found, origin, skipped = page_lines(page, picture, finder) if lines is None else (lines, None, 0)
        answers = read_line_images(line_images(picture, found), reader, page=page.id, least=least)
    except CapasError as error:
        return PageReading(page=page.id, lines=(), origin=None, problem=error.part("what"))
    except (OSError, ValueError, MemoryError) as error:
        return PageReading(page=page.id, lines=(), origin=None, problem=str(error) or type(error).__name__)
    return PageReading(page=page.id, lines=found, origin=origin, readings=tuple(answers), skipped=skipped)


def page_lines(page: PageRow, picture: Picture, finder: Finder) -> tuple[tuple[Line, ...], str, int]:
    """Return the lines of a page (of its transcript, else detected), their origin, and the number of unusable ones."""
    if page.transcript:
        read_lines: ParsedPage = read_page(Path(page.transcript))
        height, width = picture.shape[:2]
        whole: Page = scale_page(read_lines.page, width, height)
        # On a much smaller picture than the transcript counts in, little is left of a short line.
        lines = tuple(line for line in whole.lines if baseline_fault(line.baseline, width, height) is None)
        return lines, "transcript", len(read_lines.skipped) + len(whole.lines) - len(lines)
    return finder(picture), "found", 0


def line_images(picture: Picture, lines: Sequence[Line], height: int = 0) -> list[Picture]:
    """Crop and straighten each line to ``height`` pixels, or (0) as in training (``LineExtent.pixels``)."""
    held = line_extents(lines, picture.shape[0])
    return [
        crop_line(picture, line, height or reach.pixels, reach=reach) for line, reach in zip(lines, held, strict=True)
    ]


def read_line_images(
    pictures: Sequence[Picture], reader: LineReader, *, page: int, least: float
) -> Iterator[LineReading]:
    """Transcribe line images in the model's best decoding.

    Spots and confidences come from the posteriors as they are stored; a language model only helps to decode the text.
    """
    contents = [pack_posteriors(posteriors) for posteriors in (reader.posteriors(pictures) if pictures else [])]
    spots = spots_of_lines(contents, reader.alphabet, page=page, least=least)
    for content, found in zip(contents, spots, strict=True):
        one = reader.text(unpack_posteriors(content))
        yield LineReading(text=one.text, confidence=one.probability, posteriors=content, spots=found)


def spots_of_lines(
    contents: Sequence[bytes], alphabet: Alphabet, *, page: int, least: float
) -> Iterator[tuple[Spot, ...]]:
    """Iterate over the spots of each line of a page, in frames, with the words hyphenated into the next line."""
    lines, delimiters = word_delimiters([unpack_posteriors(content) for content in contents], alphabet)
    hyphens = hyphen_labels(alphabet)
    for number, line in enumerate(lines):
        found = line_spots(line, delimiters=delimiters, min_expected_count=least)
        if hyphens and number + 1 < len(lines):
            found += hyphenated_spots(
                line, lines[number + 1], hyphens=hyphens, delimiters=delimiters, min_probability=least
            )
        yield tuple(
            Spot(word=alphabet.decode(spot.labels), probability=spot.probability, page=str(page), line=number,
                 start=spot.start, end=max(spot.end, spot.start + 1))
            for spot in found
        )  # fmt: skip


def word_delimiters(
    lines: Sequence[Float[np.ndarray, "_ _"]], alphabet: Alphabet
) -> tuple[list[Float[np.ndarray, "_ _"]], frozenset[int]]:
    """Return the posteriors (T, K) of each line and the labels that stand between words.

    These are all but letters, digits and combining marks. An alphabet of single words has none: their lines end them,
    and a label is added that no frame has.
    """
    found = frozenset(
        label for label, character in enumerate(alphabet.characters, 1) if not is_word_character(character)
    )
    if found:
        return list(lines), found
    return [np.pad(line, ((0, 0), (0, 1))) for line in lines], frozenset({alphabet.num_labels})


def hyphen_labels(alphabet: Alphabet) -> frozenset[int]:
    """Return the labels that hyphenate a word at the end of a line."""
    return frozenset(label for label, one in enumerate(alphabet.characters, 1) if one in HYPHENS)


def reindex(
    library: Library,
    alphabet: Alphabet,
    origin: IndexOrigin,
    progress: Callable[[int, int], None],
    place: IndexLocation | None = None,
) -> int:
    """Rebuild the index from the stored posteriors, with another least probability or in another ``place``.

    The old one stands until the new one is complete. Returns the number of spots.
    """
    former = stored_location(library)
    place = read_location(library) if place is None else place
    pages = [page for page in library.pages() if page.model == origin.model]
    remove_store(library, place, beside=True)
    count = 0
    try:
        with open_store(library, place, origin, beside=True) as store:
            for done, page in enumerate(pages, 1):
                contents = [content for _, content in sorted(library.posteriors(page.id).items())]
                by_line = spots_of_lines(contents, alphabet, page=page.id, least=origin.least)
                spots = [spot for found in by_line for spot in found]
                store.add([str(page.id)], spots)
                count += len(spots)
                progress(done, len(pages))
            store.compact()
        replace_store(library, place)
    except BaseException:
        with suppress(CapasError, OSError):  # what is not to be used gives its room back
            remove_store(library, place, beside=True)
        raise
    if place != former:
        write_location(library, place)
        if is_known(former):
            remove_store(library, former)
    return count
