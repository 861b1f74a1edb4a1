"""Pages read: their lines found or taken from a transcript, what each says, and the spots of every word it may say.

The work on a page needs nothing but its row, its lines and the reader, so that pages can be read in any process; what
comes back is kept by one: first the spots, then the page with the reader's hash. Whatever is killed between the two is
read again, and the same spots take the place of the first ones.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from capas.archive.library import Library, PageRow
from capas.archive.making import kept_making
from capas.archive.posteriors import packed, unpacked
from capas.archive.scans import decode
from capas.archive.stores import Kept, keep, kept, opened, remove, take_place
from capas.core.errors import CapasError
from capas.engine.line_reader import LineReader
from capas.pages.line_images import Picture, cut, reaches
from capas.pages.page import Line, Page, Read, fault_of, scaled
from capas.pages.standards import read_page
from capas.search.joins import joined_spots
from capas.search.letters import of_word
from capas.search.spots import line_spots
from capas.search.store import Origin, Spot, SpotStore
from capas.tasks.transcribe import Alphabet

LEAST: Final = 0.01
PAGES_PER_JOB: Final = 4
COMPACT_AT: Final = 100  # pages: replaced ones leave room behind
HYPHENS: Final = "-\N{NOT SIGN}\N{DOUBLE OBLIQUE HYPHEN}\N{HYPHEN}="
Finder = Callable[[Picture], tuple[Line, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """Pages to read, each with its lines, or None where they are still to be found."""

    pages: tuple[tuple[PageRow, tuple[Line, ...] | None], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What one line says: the surest reading, how sure, the posteriors (``posteriors.packed``) and the spots."""

    text: str
    confidence: float
    posteriors: bytes
    spots: tuple[Spot, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """A page that was read: its lines and their ``origin``, as ``Library.set_lines`` wants them (None where it had them
    already), and the answers; or its ``problem``. ``skipped``: lines whose geometry was of no use."""

    page: int
    lines: tuple[Line, ...]
    origin: str | None
    answers: tuple[Answered, ...] = ()
    problem: str = ""
    skipped: int = 0


@runtime_checkable
class Workers(Protocol):
    """Who reads: this process (``Here``), or many (``spread.OnRay``)."""

    def outcomes(self, jobs: Iterable[Job]) -> Iterator[list[Outcome]]:
        """What becomes of each job, in their order."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Here:
    """Reads in this process."""

    reader: LineReader
    finder: Finder
    least: float

    def outcomes(self, jobs: Iterable[Job]) -> Iterator[list[Outcome]]:
        for job in jobs:
            yield [read_one(page, lines, self.reader, self.finder, self.least) for page, lines in job.pages]


@dataclass(kw_only=True, slots=True)
class Report:
    """What was read, and which pages could not be, with the reason."""

    pages: int = 0
    lines: int = 0
    spots: int = 0
    skipped: int = 0
    bad: list[tuple[str, str]] = field(default_factory=list)


def read(
    library: Library,
    workers: Workers,
    origin: Origin,
    *,
    unit: str = "",
    again: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Report:
    """Read the pages of ``unit`` that this reader has not read (all of them ``again``) and keep what comes of it.
    ``origin`` is that of the spots, of which an index holds only one kind: where it replaces another, pages that the
    index no longer holds are read too. Raises CapasError ``other_pages_lost`` as ``none_lost`` does."""
    none_lost(library, origin, unit)
    report = Report()
    with index_of(library, origin) as store:
        indexed = set(store.pages())
        pages = [page for page in library.pages(unit)
                 if again or page.model != origin.model or str(page.id) not in indexed]  # fmt: skip
        for outcomes in workers.outcomes(_jobs(library, pages)):
            for outcome in outcomes:
                _keep(library, store, outcome, origin.model, report)
                progress(report.pages + len(report.bad), len(pages))
        if again or report.pages > COMPACT_AT:
            store.compact()
    return report


@contextmanager
def index_of(library: Library, origin: Origin) -> Iterator[SpotStore]:
    """The spots of a library, to add to. Where they were made otherwise, they are made anew from the posteriors of this
    model first."""
    place = kept(library)
    try:
        store = opened(library, place, origin)
    except CapasError as error:
        if error.key != "spots_differ":
            raise
        with opened(library, place) as former:
            same_model = former.origin.model == origin.model
            comparable = former.origin.temperature == origin.temperature or not same_model
        if comparable:
            reindex(library, kept_making(library).alphabet, origin, lambda done, of: None)
        else:
            remove(library, place)
        store = opened(library, place, origin)
    with store:
        yield store


def none_lost(library: Library, origin: Origin, unit: str) -> None:
    """Raises CapasError ``other_pages_lost`` where pages outside of ``unit``, which are not read now, are known to
    another model: an index holds the spots of one only."""
    here = library.pages_of(unit) if unit else None
    others = [page for page in library.pages() if here is not None and str(page.id) not in here]
    if lost := sum(page.model not in ("", origin.model) for page in others):
        raise CapasError("other_pages_lost", where=library.folder, received=lost)


def _jobs(library: Library, pages: Sequence[PageRow]) -> Iterator[Job]:
    for start in range(0, len(pages), PAGES_PER_JOB):
        part = pages[start : start + PAGES_PER_JOB]
        yield Job(pages=tuple((page, _known_lines(library, page)) for page in part))


def _known_lines(library: Library, page: PageRow) -> tuple[Line, ...] | None:
    return tuple(row.line for row in library.lines(page.id)) if page.lines_from else None


def _keep(library: Library, store: SpotStore, outcome: Outcome, model: str, report: Report) -> None:
    if outcome.problem:
        library.set_problem(outcome.page, outcome.problem)
        report.bad.append((library.page(outcome.page).source, outcome.problem))
        return
    spots = [spot for answer in outcome.answers for spot in answer.spots]
    store.add([str(outcome.page)], spots)
    if outcome.origin is not None:
        library.set_lines(outcome.page, outcome.lines, origin=outcome.origin)
    library.set_answers(outcome.page, [(one.text, one.confidence, one.posteriors) for one in outcome.answers], model)
    report.pages, report.lines = report.pages + 1, report.lines + len(outcome.answers)
    report.spots, report.skipped = report.spots + len(spots), report.skipped + outcome.skipped


def read_one(
    page: PageRow, lines: tuple[Line, ...] | None, reader: LineReader, finder: Finder, least: float
) -> Outcome:
    """Read one page; a page that cannot be read is an outcome too."""
    try:
        picture = decode(Path(page.source), page.frame, hash=page.hash)
        found, origin, skipped = lines_of(page, picture, finder) if lines is None else (lines, None, 0)
        answers = answered(cut_lines(picture, found), reader, page=page.id, least=least)
    except CapasError as error:
        return Outcome(page=page.id, lines=(), origin=None, problem=error.part("what"))
    except (OSError, ValueError, MemoryError) as error:
        return Outcome(page=page.id, lines=(), origin=None, problem=str(error) or type(error).__name__)
    return Outcome(page=page.id, lines=found, origin=origin, answers=tuple(answers), skipped=skipped)


def lines_of(page: PageRow, picture: Picture, finder: Finder) -> tuple[tuple[Line, ...], str, int]:
    """The lines of a page: from its transcript, else found; where they are from, and how many were of no use."""
    if page.transcript:
        read_lines: Read = read_page(Path(page.transcript))
        height, width = picture.shape[:2]
        whole: Page = scaled(read_lines.page, width, height)
        # On a much smaller picture than the transcript counts in, little is left of a short line.
        lines = tuple(line for line in whole.lines if fault_of(line.baseline, width, height) is None)
        return lines, "transcript", len(read_lines.skipped) + len(whole.lines) - len(lines)
    return finder(picture), "found", 0


def cut_lines(picture: Picture, lines: Sequence[Line], height: int = 0) -> list[Picture]:
    """Each line cut and straightened: of so many pixels, or (0) as readers learnt them (``Reach.pixels``)."""
    held = reaches(lines, picture.shape[0])
    return [cut(picture, line, height or reach.pixels, reach=reach) for line, reach in zip(lines, held, strict=True)]


def answered(pictures: Sequence[Picture], reader: LineReader, *, page: int, least: float) -> Iterator[Answered]:
    """What the lines of a page say, read as the reader does it best. Everything comes from the posteriors as they are
    kept; of a language model, which helps to read, the spots and the confidence know nothing."""
    contents = [packed(posteriors) for posteriors in (reader.posteriors(pictures) if pictures else [])]
    spots = spots_of(contents, reader.alphabet, page=page, least=least)
    for content, found in zip(contents, spots, strict=True):
        one = reader.text(unpacked(content))
        yield Answered(text=one.text, confidence=one.probability, posteriors=content, spots=found)


def spots_of(contents: Sequence[bytes], alphabet: Alphabet, *, page: int, least: float) -> Iterator[tuple[Spot, ...]]:
    """The spots of each line of a page, in frames, with the words that a hyphen divides between it and the next."""
    lines, delimiters = delimited([unpacked(content) for content in contents], alphabet)
    hyphens = hyphens_of(alphabet)
    for number, line in enumerate(lines):
        found = line_spots(line, delimiters=delimiters, least=least)
        if hyphens and number + 1 < len(lines):
            found += joined_spots(line, lines[number + 1], hyphens=hyphens, delimiters=delimiters, least=least)
        yield tuple(
            Spot(word=alphabet.text(spot.labels), probability=spot.probability, page=str(page), line=number,
                 start=spot.start, end=max(spot.end, spot.start + 1))
            for spot in found
        )  # fmt: skip


def delimited(
    lines: Sequence[Float[np.ndarray, "_ _"]], alphabet: Alphabet
) -> tuple[list[Float[np.ndarray, "_ _"]], frozenset[int]]:
    """The lines (T×K each) and the labels that stand between words: all but letters, digits and the marks above and
    below them. An alphabet of single words has none: their lines end them, and a label is added that no frame has."""
    found = frozenset(label for label, character in enumerate(alphabet.characters, 1) if not of_word(character))
    if found:
        return list(lines), found
    return [np.pad(line, ((0, 0), (0, 1))) for line in lines], frozenset({alphabet.num_labels})


def hyphens_of(alphabet: Alphabet) -> frozenset[int]:
    """The labels that divide a word at the end of a line."""
    return frozenset(label for label, one in enumerate(alphabet.characters, 1) if one in HYPHENS)


def reindex(
    library: Library,
    alphabet: Alphabet,
    origin: Origin,
    progress: Callable[[int, int], None],
    place: Kept | None = None,
) -> int:
    """The index made anew from the kept posteriors, with another least probability or in another ``place``; the old one
    stands until the new one is whole. Returns how many spots it holds."""
    former = kept(library)
    place = former if place is None else place
    pages = [page for page in library.pages() if page.model == origin.model]
    remove(library, place, beside=True)
    count = 0
    with opened(library, place, origin, beside=True) as store:
        for done, page in enumerate(pages, 1):
            contents = [content for _, content in sorted(library.posteriors(page.id).items())]
            by_line = spots_of(contents, alphabet, page=page.id, least=origin.least)
            spots = [spot for found in by_line for spot in found]
            store.add([str(page.id)], spots)
            count += len(spots)
            progress(done, len(pages))
        store.compact()
    take_place(library, place)
    if place != former:
        keep(library, place)
        remove(library, former)
    return count
