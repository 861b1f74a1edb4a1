"""Which lines to correct next: a curve of the error rate over corrected lines, those in doubt against random ones.

The reader of one manuscript (arsenal-3516) meets another one (vaticane-reg-lat-1616, pages that are not held out). Of
it 100 random lines are corrected first; then, twice, 100 more: once always those that the reader of that moment finds
most doubtful, by the measure of ``archive.review.doubtful``, (1 − confidence) × length of what was read, once always
random ones. After each round the reader learns for 4 minutes from all corrected lines, starting from its former
weights (``network.init_from``). Every reader is tested on the held-out pages; the difference at the end comes with the
paired bootstrap over their lines. One seed: a hint, no proof. Doubtful lines tend to be long ones, so that the
characters that somebody would have typed stand beside the lines.

``python -m benchmarks.active_learning --start RUN`` takes a finished run on arsenal-3516; without, one is trained for
20 minutes.
"""

import csv
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.manuscripts import held_out, lay_out, pages_of, picture_of
from benchmarks.record import conditions, keep, table
from benchmarks.trained import figure, finished_run, shown, train
from capas.archive.library.scans import decode_page
from capas.archive.reading.pages import line_images
from capas.decoding.alphabet import normalise_nfc
from capas.decoding.transcripts import greedy_transcript
from capas.engine.recipes.transcription.line_reader import LineReader
from capas.metrics.edit_distance import count_edits
from capas.page_formats.formats import read_page
from capas.page_formats.page import scale_page

OTHER, NAME = "arsenal-3516", "vaticane-reg-lat-1616"
BEFORE, TIME = "20m", "4m"
EACH, ROUNDS, HEIGHT, RESAMPLED = 100, 2, 64, 10_000
Cut = tuple[str, np.ndarray[tuple[int, ...], np.dtype[np.uint8]], str]


def lines_of(path: Path) -> list[Cut]:
    """Name, picture and text of the lines of a page."""
    picture = decode_page(picture_of(path))
    lines = [
        one for one in scale_page(read_page(path).page, picture.shape[1], picture.shape[0]).lines if one.text.strip()
    ]
    cuts = line_images(picture, lines, HEIGHT)
    return [(f"{path.stem}-{one.id}", cut, one.text) for one, cut in zip(lines, cuts, strict=True)]


def laid_out(folder: Path, learnt: list[Cut], test: list[Cut]) -> Path:
    """Lines as files, for ``capas train``."""
    for part, lines in (("train", learnt), ("test", test)):
        (folder / part).mkdir(parents=True)
        for name, picture, text in lines:
            Image.fromarray(picture).save(folder / part / f"{name}.png")
            (folder / part / f"{name}.gt.txt").write_text(text, encoding="utf-8")
    return folder


def expected_errors(reader: LineReader, lines: list[Cut]) -> list[float]:
    """The measure of ``archive.review.doubtful``."""
    found = []
    for start in range(0, len(lines), EACH):
        for posteriors in reader.posteriors([picture for _, picture, _ in lines[start : start + EACH]]):
            one = greedy_transcript(torch.from_numpy(posteriors).log(), reader.alphabet)
            found.append((1 - one.probability) * len(one.text))
    return found


def next_lines(way: str, run: Path, pool: list[Cut], known: set[str], rng: random.Random) -> list[Cut]:
    """Those that are to be corrected next."""
    left = [line for line in pool if line[0] not in known]
    if way == "random":
        return rng.sample(left, EACH)
    doubt = expected_errors(LineReader.open(run), left)
    return [left[i] for i in sorted(range(len(left)), key=lambda i: -doubt[i])[:EACH]]


def wrong(run: Path) -> dict[str, tuple[int, int]]:
    """Wrong and all characters of each test line."""
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        row["example"]: (count_edits(row["text"], row["prediction"]).distance, len(normalise_nfc(row["text"])))
        for row in rows
    }


def difference(first: Path, second: Path) -> tuple[float, float, float]:
    """CER of the second less that of the first, in points, with its 95 % interval."""
    one, two = wrong(first), wrong(second)
    counts = np.array([(*one[name], two[name][0]) for name in sorted(one)], dtype=float)
    drawn = np.random.default_rng(0).integers(0, len(counts), (RESAMPLED, len(counts)))
    sums = counts[drawn].sum(1)
    low, high = np.quantile(100 * (sums[:, 2] - sums[:, 0]) / sums[:, 1], [0.025, 0.975])
    whole = counts.sum(0)
    return float(100 * (whole[2] - whole[0]) / whole[1]), float(low), float(high)


def main(started: Path | None = None) -> None:
    """The reader before; after the first lines; then both ways."""
    torch.set_num_threads(1)
    facts = conditions("active-learning")
    held = held_out(NAME)
    test = [line for path in held for line in lines_of(path)]
    pool = [line for path in pages_of(NAME) if path not in held for line in lines_of(path)]
    rows: list[list[object]] = []
    measured: dict[str, object] = {}

    def learn(way: str, lines: list[Cut], start: Path, folder: Path) -> Path:
        name = f"{way}-{len(lines)}"
        settings = ["execution.threads=1", f"network.init_from={start}"]
        data, run = laid_out(folder / name, lines, test), folder / f"{name}-run"
        found = train(data, run, settings, "--time", TIME, "--report", "none")
        letters = sum(len(text) for _, _, text in lines)
        rows.append([way, len(lines), letters, shown(figure(found, "cer")), shown(figure(found, "wer"))])
        measured[name] = {"lines": len(lines), "characters": letters, "metrics": found["metrics"]}
        print(rows[-1], flush=True)
        return run

    with tempfile.TemporaryDirectory() as place:
        folder, rng = Path(place), random.Random(0)
        if started is None:
            started = folder / "before"
            train(
                lay_out(OTHER, folder / OTHER),
                started,
                ("data.follow_links=true",),
                "--time",
                BEFORE,
                "--report",
                "none",
            )
        first = rng.sample(pool, EACH)
        run = learn("first, random", first, started, folder)
        last = dict.fromkeys(("doubtful", "random"), run)
        for way in last:
            lines = first
            for _ in range(ROUNDS):
                lines = [*lines, *next_lines(way, last[way], pool, {name for name, _, _ in lines}, rng)]
                last[way] = learn(way, lines, last[way], folder)
        gap, low, high = difference(last["random"], last["doubtful"])
    measured["doubtful_less_random"] = {"points": gap, "interval": [low, high]}
    heads = ["lines chosen", "corrected lines", "characters", "CER (95 %)", "WER (95 %)"]
    said = f"Doubtful less random, at the end: {gap:+.1f} points of CER (95 %: {low:+.1f} to {high:+.1f})."
    keep("active-learning", "Which lines to correct", f"{__doc__}\n{table(heads, rows)}\n\n{said}", facts, measured)


if __name__ == "__main__":
    main(finished_run(sys.argv[1:], "--start"))
