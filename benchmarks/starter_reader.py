"""The reader that comes with Capas (``reader:medieval``): trained here, and what it reads of hands that it knows and of
hands that it does not.

It learns from the training pages of the manuscripts arsenal-3516 and vaticane-reg-lat-1616 (CREMMA Medieval, CC BY 4.0)
and from drawn pages of notarial Spanish (``sample:manuscripts``, more of them). Kept for the test: every eighth page of
a manuscript, and drawn pages of which half are in a hand that no training page has. The bundle is then copied to
``src/capas/bundle/readers/medieval``. ``python -m benchmarks.starter_reader --run RUN`` takes a finished run.

A hand of the time that a reader does not know: the reader of each manuscript alone (``benchmarks.manuscripts``) reads
the test pages of the other one: ``--others RUN…``.

Each figure: characters wrong of given lines; intervals (95 %) by drawing lines again, 2,000 times. One thread.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.found_lines_read import texts
from benchmarks.manuscripts import NAMES, held_out, lay_out, manuscript_of, picture_of, trained_s
from benchmarks.record import conditions, keep, table
from benchmarks.trained import train
from capas.archive.library.scans import decode_page
from capas.bundle.shipped import SHIPPED_READERS
from capas.data.synthetic.manuscripts import FONT_SIZES, make_manuscripts
from capas.decoding.alphabet import normalise_nfc
from capas.engine.recipes.transcription.line_reader import LineReader
from capas.metrics.edit_distance import count_edits
from capas.page_formats.formats import read_page
from capas.page_formats.page import scale_page

TIME, DRAWN, DRAWN_TEST, DRAWS = "45m", 48, 8, 2000
NEW_HAND = list(FONT_SIZES)[-1]


def pages(folder: Path) -> Path:
    """All that it learns from and is tested on, in ``train`` and ``test``."""
    for name in NAMES:
        lay_out(name, folder)
    return make_manuscripts(folder, pages=DRAWN, test_pages=DRAWN_TEST, seed=1)


def tests(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """Name and transcripts of each set of test pages."""
    for name in NAMES:
        yield name, held_out(name)
    drawn = [path for path in sorted((folder / "test").glob("*.xml")) if any(hand in path.name for hand in FONT_SIZES)]
    yield "drawn, known hands", [path for path in drawn if NEW_HAND not in path.name]
    yield "drawn, a hand that is new", [path for path in drawn if NEW_HAND in path.name]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Lines, characters, and the share of wrong characters with its interval."""

    lines: int
    characters: int
    cer: float
    low: float
    high: float


def read_of(reader: LineReader, transcripts: Sequence[Path]) -> Reading:
    """How well the lines of these pages are read."""
    wrong, long = [], []
    for path in transcripts:
        picture = decode_page(picture_of(path))
        lines = [
            line for line in scale_page(read_page(path).page, picture.shape[1], picture.shape[0]).lines if line.text
        ]
        true = [normalise_nfc(line.text) for line in lines]
        wrong += [count_edits(*pair).distance for pair in zip(true, texts(picture, lines, reader), strict=True)]
        long += [len(text) for text in true]
    drawn = np.random.default_rng(0).integers(0, len(long), (DRAWS, len(long)))
    low, high = np.quantile(np.array(wrong)[drawn].sum(1) / np.array(long)[drawn].sum(1), [0.025, 0.975])
    return Reading(lines=len(long), characters=sum(long), cer=sum(wrong) / sum(long), low=float(low), high=float(high))


def put(run: Path) -> None:
    """Copy the run's bundle to where the readers lie, under the reader's own name."""
    folder = SHIPPED_READERS["reader:medieval"]
    shutil.copytree(run / "bundle", folder, dirs_exist_ok=True)
    for name in ("card.json", "README.md"):
        told = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(told.replace(run.name, folder.name), encoding="utf-8")


def main(arguments: Sequence[str] = ()) -> None:
    """Train or take the reader, read all test pages with it and with those of one manuscript alone, keep its bundle."""
    torch.set_num_threads(1)
    facts = conditions("starter-reader")
    if arguments:
        facts["command"] = "python -m benchmarks.starter_reader --run RUN --others RUN…"
    others = list(arguments[arguments.index("--others") + 1 :]) if "--others" in arguments else []
    measured: dict[str, object] = {}
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as beside:
        folder = pages(Path(beside) / "cremma-medieval-and-drawn-pages")
        run = Path(arguments[1]) if arguments[:1] == ["--run"] else Path(beside) / "reader"
        if not run.is_dir():
            train(folder, run, ("data.follow_links=true",), "--time", TIME, "--report", "none")
        sets = dict(tests(folder))
        readers = [("reader:medieval", run, list(sets))]
        for other in map(Path, others):
            own = manuscript_of(other)
            readers.append((f"of {own} alone", other, [name for name in NAMES if name != own]))
        for title, where, names in readers:
            reader = LineReader.open(where)
            for name in names:
                found = read_of(reader, sets[name])
                measured[f"{title} on {name}"] = asdict(found)
                cer = f"{100 * found.cer:.1f} % ({100 * found.low:.1f}–{100 * found.high:.1f})"
                rows.append([title, f"{trained_s(where) / 60:.0f}", name, found.lines, cer])
        put(run)
    heads = ["reader", "minutes of training", "test pages", "lines", "characters wrong (95 %)"]
    text = (__doc__ or "") + "\n" + table(heads, rows)
    keep("starter-reader", "The reader that comes with Capas", text, facts, measured)


if __name__ == "__main__":
    main(sys.argv[1:])
