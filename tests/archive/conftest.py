"""A small archive: two pages drawn here, with lines, and posteriors as a good reader would give them."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from capas.archive.library.adding import add_pages_from
from capas.archive.library.database import Library, PageRow
from capas.archive.reading.index_provenance import IndexProvenance, write_index_provenance
from capas.archive.reading.index_stores import SPOTS
from capas.archive.reading.pages import open_index, spots_of_lines
from capas.archive.reading.posteriors import pack_posteriors, unpack_posteriors
from capas.archive.web.server import ArchiveServer, ServerConfig
from capas.decoding.alphabet import Alphabet
from capas.decoding.transcripts import greedy_transcript
from capas.page_formats.layout.line_images import line_extents, line_size
from capas.page_formats.page import Line

WIDTH, HEIGHT = 900, 420
TEXTS = {
    "1606/fol_1": ("sepan cuantos esta carta vieren", "que yo juan de toledo mercader", "de la cibdad de seuilla"),
    "1607/fol_2": ("otorgo a juan ortiz la casa", "en la çiudad de cadiz y sus <b>casas", "dos casas en triana"),
}
CHARACTERS = "".join(sorted(set("".join(line for lines in TEXTS.values() for line in lines))))
MAKING = IndexProvenance(reader="made", model="f" * 32, temperature=1.0, min_probability=0.01, height=48, columns=4,
                characters=CHARACTERS)  # fmt: skip


def lines_of(texts: tuple[str, ...]) -> tuple[Line, ...]:
    """Level lines of 100 pixels, one under the other."""
    return tuple(
        Line(id=f"l{i}", baseline=((60.0, 150.0 + 100 * i), (840.0, 150.0 + 100 * i)), order=i, region="r1")
        for i in range(len(texts))
    )


def posteriors_of(text: str, frames: int, sure: float) -> NDArray[np.float64]:
    """Each letter in a frame of its own, blanks between; what is left of ``sure`` goes to the next letter's label."""
    found = np.full((frames, len(CHARACTERS) + 1), 1e-6)
    found[:, 0] = 1.0
    for i, character in enumerate(text):
        at, label = int((i + 0.5) * frames / len(text)), CHARACTERS.index(character) + 1
        found[at] = 1e-6
        found[at, label] = sure
        found[at, label % len(CHARACTERS) + 1] += 1 - sure
    whole: NDArray[np.float64] = found / found.sum(axis=1, keepdims=True)
    return whole


def draw(path: Path, texts: tuple[str, ...]) -> None:
    picture = Image.new("L", (WIDTH, HEIGHT), 230)
    for i, text in enumerate(texts):
        ImageDraw.Draw(picture).text((60, 105 + 100 * i), text, fill=30, font_size=40)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def read(library: Library, page: PageRow, texts: tuple[str, ...]) -> None:
    """What ``archive read`` does, with posteriors made here: the second line of a page is read badly."""
    lines, alphabet = lines_of(texts), Alphabet(characters=CHARACTERS)
    library.set_lines(page.id, lines, origin="found")
    answers = []
    for number, (line, text, reach) in enumerate(zip(lines, texts, line_extents(lines, HEIGHT), strict=True)):
        frames = line_size(line, MAKING.height, reach) // MAKING.columns
        content = pack_posteriors(posteriors_of(text, frames, 0.6 if number == 1 else 0.97))
        best = greedy_transcript(torch.from_numpy(unpack_posteriors(content)).log(), alphabet)
        answers.append((best.text, best.probability, content))
    contents = [content for _, _, content in answers]
    spots = [
        one for line in spots_of_lines(contents, alphabet, page=page.id, least=MAKING.min_probability) for one in line
    ]
    with open_index(library, MAKING.origin) as store:
        store.add([str(page.id)], spots)
    library.set_answers(page.id, answers, MAKING.model)


@pytest.fixture(scope="session")
def made_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; copied by ``library``. Its pictures lie beside it, in ``scans``."""
    root = tmp_path_factory.mktemp("made")
    for name, texts in TEXTS.items():
        draw(root / "scans" / f"{name}.png", texts)
    library = Library.create(root / "archive", "Notaries <of> Seville")
    add_pages_from(library, [root / "scans"], "notaries", fetch=False, progress=lambda done, of: None)
    write_index_provenance(library, MAKING)
    for page, texts in zip(library.pages(), TEXTS.values(), strict=True):
        read(library, page, texts)
    return root


@pytest.fixture
def library(made_archive: Path, tmp_path: Path) -> Library:
    """A copy of the archive; its pages know the pictures of the original."""
    shutil.copytree(made_archive / "archive", tmp_path / "archive")
    assert (tmp_path / "archive" / SPOTS).is_file()
    return Library.open(tmp_path / "archive")


@contextmanager
def served(library: Library, config: ServerConfig) -> Iterator[ArchiveServer]:
    """A server on a free port, in a thread."""
    with closing(ArchiveServer(library, config)) as server, server.running():
        yield server
