"""What it costs to find the lines oneself: outlines against those that people drew, and the error rate of reading found
lines against reading given ones, on the held-out pages of two manuscripts with the readers trained on the others.

``python -m benchmarks.found_lines_read --run RUN…`` takes finished runs (``benchmarks.manuscripts``); the pages are
every eighth of the manuscript, which neither taught these readers nor the finder of lines.

Lines are matched page by page, by their baselines: of all pairs of a found line and a true one the one that covers most
(COV of ``capas.evaluation.baseline_detection``) is taken first, and neither takes part again. Outlines: the
intersection of the two
over their union, of matched pairs, painted at half the page's size; true lines without a partner count as 0.
Reading: the edit distance of each pair's texts; of a true line without a partner all characters count as left out, of a
found one without a partner all as put in; their sum over the characters of the true lines. One initial of
vaticane carries the text of its neighbour: training leaves it out as too narrow for it, here it counts as read wrongly.
Intervals (95 %): pages
drawn again, 2,000 times; a single page has none.

Looked for in CAPAS_DATA/manuscripts. One thread.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from benchmarks.manuscripts import asked, held_out, manuscript_of, picture_of
from benchmarks.record import conditions, keep, table
from capas.archive.library.scans import decode_page
from capas.archive.line_finding.model import LineFinder
from capas.archive.reading.pages import line_images, read_line_images
from capas.decoding.alphabet import normalise_nfc
from capas.engine.recipes.transcription.line_reader import LineReader
from capas.evaluation.baseline_detection import covered_share, line_tolerances, resample_polyline
from capas.metrics.edit_distance import count_edits
from capas.page_formats.formats import read_page
from capas.page_formats.layout.line_images import Picture
from capas.page_formats.page import Line, Points, scale_page

DRAWS, SCALE = 2000, 0.5
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class PageFigures:
    """One page: the overlap of each true line's outline, wrong characters of given and of found lines, characters, true
    and found lines, and those that have no partner."""

    overlaps: tuple[float, ...]
    wrong_given: int
    wrong_found: int
    characters: int
    lines: int
    found: int
    missed: int
    extra: int


def matched(true: Sequence[Line], found: Sequence[Line]) -> dict[int, int]:
    """The number of the found line for each true line that has one."""
    real = [resample_polyline(np.array(line.baseline)) for line in true]
    within = line_tolerances(real)
    covered = np.array([[covered_share(resample_polyline(np.array(line.baseline)), g, t)
                         for g, t in zip(real, within, strict=True)]
                        for line in found]).reshape(len(found), len(true))  # fmt: skip
    pairs: dict[int, int] = {}
    for place in (-covered).argsort(axis=None, kind="stable"):
        i, j = divmod(int(place), len(true))
        if covered[i, j] > 0 and j not in pairs and i not in pairs.values():
            pairs[j] = i
    return pairs


def overlap(one: Points, other: Points) -> float:
    """The intersection of two outlines over their union, in [0, 1]."""
    points = np.array([*one, *other]) * SCALE
    corner = points.min(axis=0)
    width, height = (int(side) + 2 for side in points.max(axis=0) - corner)

    def painted(outline: Points) -> NDArray[np.bool_]:
        mask = Image.new("1", (width, height))
        moved = [(x * SCALE - float(corner[0]), y * SCALE - float(corner[1])) for x, y in outline]
        ImageDraw.Draw(mask).polygon(moved, fill=1)
        return np.array(mask)

    a, b = painted(one), painted(other)
    return float((a & b).sum() / max(1, (a | b).sum()))


def texts(picture: Picture, lines: Sequence[Line], reader: LineReader) -> list[str]:
    """What the reader says of each line."""
    return [one.text for one in read_line_images(line_images(picture, lines), reader, page=0, least=1.0)]


def page_figures(path: Path, reader: LineReader, finder: LineFinder) -> PageFigures:
    """Both ways on one page."""
    picture = decode_page(picture_of(path))
    height, width = picture.shape[:2]
    true = [line for line in scale_page(read_page(path).page, width, height).lines if line.text]
    said = [normalise_nfc(line.text) for line in true]
    found = finder.find(picture)
    pairs = matched(true, found)
    given_texts, found_texts = texts(picture, true, reader), texts(picture, found, reader)
    extra = set(range(len(found))) - set(pairs.values())
    wrong = sum(len(found_texts[i]) for i in extra)
    for j, text in enumerate(said):
        wrong += count_edits(text, found_texts[pairs[j]] if j in pairs else "").distance
    return PageFigures(
        overlaps=tuple(overlap(line.polygon, found[pairs[j]].polygon) if j in pairs else 0.0
                       for j, line in enumerate(true)),
        wrong_given=sum(count_edits(*texts).distance for texts in zip(said, given_texts, strict=True)),
        wrong_found=wrong, characters=sum(map(len, said)), lines=len(true), found=len(found),
        missed=len(true) - len(pairs), extra=len(extra),
    )  # fmt: skip


FIGURES: dict[str, Callable[[Sequence[PageFigures]], float]] = {
    "median_overlap": lambda pages: float(np.median([one for page in pages for one in page.overlaps])),
    "overlap_half": lambda pages: float(np.mean([one >= 0.5 for page in pages for one in page.overlaps])),
    "cer_given": lambda pages: sum(page.wrong_given for page in pages) / sum(page.characters for page in pages),
    "cer_found": lambda pages: sum(page.wrong_found for page in pages) / sum(page.characters for page in pages),
}


def measured(pages: Sequence[PageFigures]) -> dict[str, tuple[float, tuple[float, float] | None]]:
    """Each figure over all pages, with its interval."""
    rng = np.random.default_rng(0)
    drawn = [[pages[i] for i in rng.integers(0, len(pages), len(pages))] for _ in range(DRAWS if len(pages) > 1 else 0)]
    found: dict[str, tuple[float, tuple[float, float] | None]] = {}
    for name, figure in FIGURES.items():
        low, high = np.quantile([figure(one) for one in drawn], [0.025, 0.975]) if drawn else (0.0, 0.0)
        found[name] = (figure(pages), (float(low), float(high)) if drawn else None)
    return found


def shown(value: float, between: tuple[float, float] | None) -> str:
    """A share in percent with its interval."""
    return f"{100 * value:.1f}" + (f" ({100 * between[0]:.1f}–{100 * between[1]:.1f})" if between else "")


def main(runs: Sequence[Path] = ()) -> None:
    """Every run on its own manuscript."""
    if not runs:
        sys.exit("Expected --run RUN…")
    torch.set_num_threads(1)
    facts = conditions("found-lines-read")
    facts["command"] = "python -m benchmarks.found_lines_read --run RUN…"
    finder = LineFinder.open()
    rows, kept = list[list[object]](), dict[str, object]()
    for run in runs:
        name, reader = manuscript_of(run), LineReader.open(run)
        pages = [page_figures(path, reader, finder) for path in held_out(name)]
        of = measured(pages)
        sums = {part: sum(getattr(page, part) for page in pages) for part in ("lines", "found", "missed", "extra")}
        rows.append([name, len(pages), *sums.values(), *(shown(*of[figure]) for figure in FIGURES)])
        figures = {figure: {"value": value, "interval": between} for figure, (value, between) in of.items()}
        kept[name] = {"pages": len(pages), **sums, **figures}
    heads = ["manuscript", "pages", "lines", "found", "missed", "extra", "overlap, median", "of half or more, %",
             "CER of given lines, %", "CER of found lines, %"]  # fmt: skip
    keep("found-lines-read", "Found lines, outlined and read", (__doc__ or "") + "\n" + table(heads, rows), facts, kept)


if __name__ == "__main__":
    main(asked(sys.argv[1:]))
