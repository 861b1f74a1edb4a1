"""Which lines to correct next: those with the most expected errors against lines drawn at random.

A reader is trained for 5 minutes on the first eight pages of vaticane-reg-lat-1616 and reads all others that are not
held out. Then 200 of their lines are added to what is learnt from, chosen by the measure of
``archive.review.doubtful``, (1 − confidence) × length of what was read, or at random, and a new reader is trained for
as long. All are tested on the held-out pages. Small, short, one seed: a hint, no proof.
With 60 seconds and four pages the first reader had learnt nothing yet (93 % of characters wrong): no measure of doubt
means anything there.
"""

import random
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.manuscripts import held_out, pages_of, picture_of
from benchmarks.record import conditions, keep, table
from benchmarks.trained import figure, shown, train
from capas.archive.reading import cut_lines
from capas.archive.scans import decode
from capas.engine.line_reader import LineReader
from capas.pages.page import scaled
from capas.pages.standards import read_page
from capas.tasks.transcribe import read_greedily

NAME, TIME, FIRST = "vaticane-reg-lat-1616", "5m", 8
CORRECTED, HEIGHT = 200, 64
Cut = tuple[str, np.ndarray[tuple[int, ...], np.dtype[np.uint8]], str]


def lines_of(path: Path) -> list[Cut]:
    """Name, picture and text of the lines of a page."""
    picture = decode(picture_of(path))
    lines = [one for one in scaled(read_page(path).page, picture.shape[1], picture.shape[0]).lines if one.text.strip()]
    cuts = cut_lines(picture, lines, HEIGHT)
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
    for posteriors in reader.posteriors([picture for _, picture, _ in lines]):
        one = read_greedily(torch.from_numpy(posteriors).log(), reader.alphabet)
        found.append((1 - one.probability) * len(one.text))
    return found


def main() -> None:
    """Three trainings: the first lines; with the doubtful ones; with random ones."""
    torch.set_num_threads(1)
    facts = conditions("active-learning")
    held = held_out(NAME)
    others = [path for path in pages_of(NAME) if path not in held]
    test = [line for path in held for line in lines_of(path)]
    first = [line for path in others[:FIRST] for line in lines_of(path)]
    pool = [line for path in others[FIRST:] for line in lines_of(path)]
    rows: list[list[object]] = []
    measured: dict[str, object] = {}

    def learn(name: str, lines: list[Cut], folder: Path) -> Path:
        run = folder / f"{name}-run"
        found = train(laid_out(folder / name, lines, test), run, ["execution.threads=1"], "--time", TIME,
                      "--report", "none")  # fmt: skip
        letters = sum(len(text) for _, _, text in lines)
        rows.append([name, len(lines), letters, shown(figure(found, "cer")), shown(figure(found, "wer"))])
        measured[name] = {"lines": len(lines), "letters": letters, "metrics": found["metrics"]}
        print(rows[-1], flush=True)
        return run

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        reader = LineReader.open(learn("first lines", first, folder))
        doubt = expected_errors(reader, pool)
        worst = sorted(range(len(pool)), key=lambda i: -doubt[i])[:CORRECTED]
        chosen = random.Random(0).sample(range(len(pool)), CORRECTED)
        learn("with doubtful lines", [*first, *(pool[i] for i in worst)], folder)
        learn("with random lines", [*first, *(pool[i] for i in chosen)], folder)
    heads = ["learnt from", "lines", "characters", "CER (95 %)", "WER (95 %)"]
    keep("active-learning", "Which lines to correct", (__doc__ or "") + "\n" + table(heads, rows), facts, measured)


if __name__ == "__main__":
    main()
