"""Lines found on manuscripts: precision, recall and F of cBAD (`evaluation/baseline_detection`), and pages a second.

Pages of CREMMA Medieval that neither taught the network nor chose its settings: every eighth of Reg. lat. 1616
(bitonal) and one of the Arsenal's ms. 3516 (colour, four columns). Other pages of the same two manuscripts did teach
it, so the figures say nothing about other hands. Besides, drawn pages of `data/synthetic/manuscripts`, half of them in
a hand that it has not seen. Intervals (95 %): pages drawn again, 2,000 times; a single page has none. The control is
the classical one: peaks of ink along the rows of the whole page, each as long as its ink reaches.

Looked for in CAPAS_DATA/manuscripts. One thread, the processor's time, picture in memory.
"""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.record import conditions, keep, table
from capas.archive.line_finding.maps import normalised_ink, reduced_grey
from capas.archive.line_finding.model import LineFinder
from capas.data.synthetic.manuscripts import make_manuscripts
from capas.evaluation.baseline_detection import (
    PageBaselineMetrics,
    baseline_detection_metrics,
    page_baseline_metrics,
)
from capas.page_formats.formats import read_page
from capas.page_formats.page import Points

DRAWS = 2000
KINDS = {"vaticane-reg-lat-1616": slice(7, None, 8), "arsenal-3516": slice(7, None, 8)}
Picture = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One way on one manuscript."""

    pages: list[PageBaselineMetrics]
    seconds: float


def pictures(folder: Path, which: slice) -> list[tuple[Picture, list[Points]]]:
    """The chosen pages: picture and baselines."""
    found = []
    for file in sorted(folder.glob("*.xml"))[which]:
        (path,) = (one for one in folder.glob(f"{file.stem}.*") if one.suffix != ".xml")
        with Image.open(path) as image:
            picture = np.array(image.convert("L" if image.mode in "1L" else "RGB"))
        found.append((picture, [line.baseline for line in read_page(file).page.lines]))
    return found


def projected(picture: Picture) -> list[Points]:
    """The control: rows with more ink than those around them, each as wide as its ink."""
    factor = max(1, picture.shape[0] // 800)
    ink = (normalised_ink(reduced_grey(picture, 1 / factor)) > 1).astype(np.float64)
    profile = np.convolve(ink.sum(axis=1), np.ones(5) / 5, "same")
    highest = [
        y for y in range(9, len(profile) - 9) if profile[y] == profile[y - 9 : y + 10].max() > 0.02 * ink.shape[1]
    ]
    lines: list[Points] = []
    for y in highest:
        columns = np.flatnonzero(ink[y - 4 : y + 5].any(axis=0))
        left, right, foot = float(columns[0] * factor), float(columns[-1] * factor), float((y + 4) * factor)
        if right > left:
            lines.append(((left, foot), (right, foot)))
    return lines


def measured(pages: Sequence[tuple[Picture, list[Points]]], find: Callable[[Picture], list[Points]]) -> Result:
    """Every page."""
    results, seconds = [], 0.0
    for picture, true in pages:
        started = time.process_time()
        found = find(picture)
        seconds += time.process_time() - started
        results.append(page_baseline_metrics([np.array(one) for one in true], [np.array(one) for one in found]))
    return Result(pages=results, seconds=seconds)


def intervals(pages: Sequence[PageBaselineMetrics]) -> list[tuple[float, float]] | None:
    """Of precision, recall and F."""
    if len(pages) < 2:
        return None
    rng = np.random.default_rng(0)
    drawn = [
        baseline_detection_metrics([pages[i] for i in rng.integers(0, len(pages), len(pages))]) for _ in range(DRAWS)
    ]
    values = np.array([(one.precision, one.recall, one.f) for one in drawn])
    return [(float(low), float(high)) for low, high in np.quantile(values, [0.025, 0.975], axis=0).T]


def main() -> None:
    """Both ways on every manuscript."""
    torch.set_num_threads(1)
    facts = conditions("lines-found")
    root = Path(os.environ.get("CAPAS_DATA", "")) / "manuscripts"
    if not root.is_dir():
        raise SystemExit("CAPAS_DATA names no folder with manuscripts/")
    sets = {name: pictures(root / name, which) for name, which in KINDS.items()}
    with tempfile.TemporaryDirectory() as folder:
        made = make_manuscripts(Path(folder), pages=0, test_pages=8, seed=1)
        sets["made"] = pictures(made / "test", slice(None))
    finder = LineFinder.open()
    finder.find(sets["made"][0][0])
    ways = {"capas": lambda picture: [line.baseline for line in finder.find(picture)], "profile": projected}
    rows, kept = list[list[object]](), dict[str, object]()
    for name, pages in sets.items():
        for way, find in ways.items():
            result = measured(pages, find)
            of, between = baseline_detection_metrics(result.pages), intervals(result.pages)
            values = (of.precision, of.recall, of.f)
            shown = [f"{100 * value:.1f}" for value in values]
            if between is not None:
                ends = [f" ({100 * low:.1f}–{100 * high:.1f})" for low, high in between]
                shown = [value + around for value, around in zip(shown, ends, strict=True)]
            lines = sum(len(page.recalls) for page in result.pages)
            speed = len(pages) / result.seconds
            rows.append([name, way, len(pages), lines, *shown, f"{speed:.1f}"])
            kept[f"{name} {way}"] = {"pages": len(pages), "lines": lines, "precision": of.precision, "f": of.f,
                                     "recall": of.recall, "intervals": between, "pages_per_second": speed}  # fmt: skip
    heads = ["manuscript", "way", "pages", "lines", "precision", "recall", "F", "pages a second"]
    keep("lines-found", "Lines found", (__doc__ or "") + "\n" + table(heads, rows), facts, kept)


if __name__ == "__main__":
    main()
