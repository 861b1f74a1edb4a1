"""Pages whose characters are bars, and a reader that has learnt a little of them: enough to be unsure."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from capas.archive.library.adding import add_pages_from
from capas.archive.library.database import Library
from capas.archive.reading.index_provenance import provenance_of_reader, write_index_provenance
from capas.engine.recipes.transcription.line_reader import LineReader
from capas.page_formats.page import Line
from tests.harness import FIXED, train_here

HEIGHT, STEP, LEFT = 16, 12, 20
TOPS = {"a": 2, "ñ": 6, "o": 11, "-": 14, " ": 16}
SETTINGS = {
    **FIXED, "network.width": 8, "train.batch_size": 8, "train.epochs": 12, "data.image_size": 16,
    "train.evaluations": 1, "optim.learning_rate": 0.01,
}  # fmt: skip


def bars(text: str) -> NDArray[np.uint8]:
    """Every character a bar of its own height, dark on white."""
    picture = np.full((HEIGHT, STEP * len(text) + 6), 255, np.uint8)
    for place, character in enumerate(text):
        picture[TOPS[character] : 15, STEP * place + 4 : STEP * place + STEP] = 20
    return picture


def texts(count: int, seed: int) -> list[str]:
    chance = np.random.default_rng(seed)
    words = ("".join(chance.choice(list("aaañoo o-"), int(chance.integers(3, 9)))) for _ in range(count))
    return [word.strip() or "a" for word in words]


def reader_run(folder: Path) -> Path:
    """A run on 80 lines of bars."""
    (folder / "data").mkdir(parents=True)
    for i, text in enumerate(texts(80, seed=0)):
        Image.fromarray(bars(text)).save(folder / "data" / f"{i}.png")
        (folder / "data" / f"{i}.gt.txt").write_text(text, encoding="utf-8")
    return train_here(folder / "data", folder / "run", SETTINGS)


def library_of(
    folder: Path, reader: LineReader, *, where: str = "", pages: int, lines: int = 3, least: float = 0.05
) -> Library:
    """An archive of pages whose lines are known and not yet read."""
    scans = folder / "scans"
    scans.mkdir(parents=True, exist_ok=True)
    for page in range(pages):
        said = texts(lines, seed=page + 1)
        sheet = np.full((40 * lines + 20, LEFT + STEP * 10), 255, np.uint8)
        for at, text in enumerate(said):
            drawn = bars(text)
            sheet[20 + 40 * at : 20 + 40 * at + HEIGHT, LEFT : LEFT + drawn.shape[1]] = drawn
        if not (scans / f"{page}.png").exists():
            Image.fromarray(sheet).save(scans / f"{page}.png")
    library = Library.create(folder / "archive", "Bars")
    add_pages_from(library, [scans], "", fetch=False, progress=lambda done, of: None)
    for row in library.pages():
        library.set_lines(row.id, lines_on(row.width, lines), origin="found")
    write_index_provenance(library, provenance_of_reader(reader, where, least))
    return library


def lines_on(width: int, count: int) -> tuple[Line, ...]:
    """The lines of such a page."""
    return tuple(
        Line(id=f"l{i}", baseline=((10.0, 35.0 + 40 * i), (width - 10.0, 35.0 + 40 * i)), order=i,
             polygon=((10.0, 19.0 + 40 * i), (width - 10.0, 19.0 + 40 * i), (width - 10.0, 37.0 + 40 * i),
                      (10.0, 37.0 + 40 * i)))
        for i in range(count)
    )  # fmt: skip


def content(library: Library) -> tuple[list[tuple[object, ...]], ...]:
    """All that reading leaves: pages, lines, posteriors, in order."""
    asked = ("SELECT id, model, problem, lines_from FROM pages ORDER BY id",
             "SELECT page, number, text, confidence FROM lines ORDER BY page, number",
             "SELECT page, number, content FROM posteriors ORDER BY page, number")  # fmt: skip
    with library.reading() as connection:
        return tuple(connection.execute(one).fetchall() for one in asked)
