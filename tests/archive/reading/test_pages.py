"""Pages are read once, again when asked, anew by another model; what is killed or bad costs nothing else."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from capas.archive.library.database import Library, PageRow
from capas.archive.reading.index_provenance import provenance_of_reader, read_index_provenance
from capas.archive.reading.index_stores import SPOTS
from capas.archive.reading.pages import LocalReader, ReadingReport, page_lines, read_pages, reindex, spots_of_lines
from capas.archive.reading.posteriors import pack_posteriors
from capas.core.errors import CapasError
from capas.decoding.alphabet import Alphabet
from capas.decoding.character_ngrams import CharacterNgrams
from capas.decoding.transcripts import CTCDecoder
from capas.engine.recipes.transcription.line_reader import LineReader
from capas.keyword_index.sqlite_store import SqliteSpots
from capas.keyword_index.store import IndexOrigin, Spot
from capas.page_formats.layout.line_images import Picture
from capas.page_formats.page import Line
from tests.archive.bars import content, library_of, lines_on, reader_run


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> LineReader:
    return LineReader.open(reader_run(tmp_path_factory.mktemp("bars")))


@pytest.fixture(scope="module")
def unread(reader: LineReader, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unread")
    library_of(folder, reader, pages=5)
    return folder


@pytest.fixture
def library(unread: Path, tmp_path: Path) -> Library:
    shutil.copytree(unread / "archive", tmp_path / "archive")
    return Library.open(tmp_path / "archive")


def none_found(picture: Picture) -> tuple[Line, ...]:
    return ()


def read_all(library: Library, reader: LineReader, *, least: float = 0.05, again: bool = False) -> ReadingReport:
    origin = replace(read_index_provenance(library).origin, least=least)
    return read_pages(
        library, LocalReader(reader=reader, finder=none_found, min_probability=least), origin, force=again
    )


def spots(library: Library) -> list[Spot]:
    with SqliteSpots(library.folder / SPOTS) as store:
        return list(store.everything())


def test_lines_are_read_as_the_reader_reads_best(library: Library, reader: LineReader) -> None:
    """With a beam and n-grams that want nothing but one letter, against which the network counts little."""
    read_all(library, reader)
    plain, found = [row.text for row in library.lines(1)], spots(library)
    letter = max(reader.alphabet.characters, key="".join(plain).count)
    ngrams = CharacterNgrams.fit([letter * 50] * 50, reader.alphabet.characters, 2)
    kept = reader.model.decoder
    reader.model.decoder = CTCDecoder(alphabet=reader.alphabet, beam=8, ngrams=ngrams, weight=9.0)
    assert provenance_of_reader(reader, "run", 0.05).decoding == "beam 8, 2-grams × 9, bonus 0"
    read_all(library, reader, again=True)
    reader.model.decoder = kept
    swayed = [row.text for row in library.lines(1)]
    assert swayed != plain and all(set(text) <= {letter} for text in swayed)
    assert spots(library) == found  # the index knows nothing of the n-grams
    assert all(0 < row.confidence < 1 for row in library.lines(1) if row.text)


def test_what_was_read_is_not_read_twice_unless_asked(library: Library, reader: LineReader) -> None:
    first = read_all(library, reader)
    before = content(library), spots(library)
    assert (first.pages, first.lines) == (5, 15) and first.spots == len(before[1]) > 15
    second = read_all(library, reader)
    assert (second.pages, second.lines, second.spots) == (0, 0, 0)
    third = read_all(library, reader, again=True)
    assert (third.pages, third.spots) == (5, first.spots)
    assert (content(library), spots(library)) == before


def test_killed_between_spots_and_page_it_ends_as_if_it_had_not_been(
    library: Library, reader: LineReader, monkeypatch: pytest.MonkeyPatch, unread: Path, tmp_path: Path
) -> None:
    whole = Library.open(shutil.copytree(unread / "archive", tmp_path / "whole"))
    read_all(whole, reader)
    keep = Library.set_answers

    def killed(self: Library, page: int, answers: Sequence[tuple[str, float, bytes]], model: str) -> None:
        if page == 3:
            raise KeyboardInterrupt
        keep(self, page, answers, model)

    with monkeypatch.context() as patch:
        patch.setattr(Library, "set_answers", killed)
        with pytest.raises(KeyboardInterrupt):
            read_all(library, reader)
    assert [bool(page.model) for page in library.pages()] == [True, True, False, False, False]
    assert {spot.page for spot in spots(library)} == {"1", "2", "3"}  # those of the third are there, the page is not
    assert read_all(library, reader).pages == 3
    assert (content(library), spots(library)) == (content(whole), spots(whole))


def test_a_bad_page_is_listed_and_the_rest_is_read(
    library: Library, reader: LineReader, unread: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes((unread / "scans" / "1.png").read_bytes()[:60])
    with library.changing() as connection:
        connection.execute("UPDATE pages SET source = ? WHERE id = 2", (str(tmp_path / "broken.png"),))
    report = read_all(library, reader)
    assert report.pages == 4
    ((file, what),) = report.bad
    assert file.endswith("broken.png") and library.page(2).problem == what != ""
    assert library.page(2).model == "" and {spot.page for spot in spots(library)} == {"1", "3", "4", "5"}
    with library.changing() as connection:
        connection.execute("UPDATE pages SET source = ? WHERE id = 2", (str(unread / "scans" / "1.png"),))
    assert read_all(library, reader).pages == 1 and library.page(2).problem == ""


def test_pages_without_lines_are_given_those_that_are_found(library: Library, reader: LineReader) -> None:
    with library.changing() as connection:
        connection.execute("DELETE FROM lines")
        connection.execute("UPDATE pages SET lines_from = ''")
    asked = list[tuple[int, ...]]()

    def finder(picture: Picture) -> tuple[Line, ...]:
        asked.append(picture.shape)
        return lines_on(picture.shape[1], 2)

    making = read_index_provenance(library)
    report = read_pages(
        library, LocalReader(reader=reader, finder=finder, min_probability=making.min_probability), making.origin
    )
    assert report.lines == 10 and len(asked) == 5
    assert {page.lines_from for page in library.pages()} == {"found"}


@pytest.mark.parametrize("change", [{"model": "e" * 32}, {"least": 0.2}])
def test_another_model_or_least_makes_the_index_anew(
    library: Library, reader: LineReader, change: dict[str, object]
) -> None:
    read_all(library, reader)
    making = read_index_provenance(library)
    origin = IndexOrigin(
        **{"least": making.min_probability, "temperature": making.temperature, "model": making.model, **change}
    )  # type: ignore[arg-type]
    here = LocalReader(reader=reader, finder=none_found, min_probability=origin.least)
    with library.changing() as connection:  # read by the second model once, before the first replaced its index
        connection.execute("UPDATE pages SET model = ? WHERE id = 5", (origin.model,))
    # What this model has read is indexed from its posteriors: nothing is read twice for another least probability.
    assert (
        read_pages(library, here, origin).pages == (4 if "model" in change else 0)
        and read_pages(library, here, origin).pages == 0
    )
    assert {spot.page for spot in spots(library)} == {"1", "2", "3", "4", "5"}
    assert {page.model for page in library.pages()} == {origin.model}
    with SqliteSpots(library.folder / SPOTS) as store:
        assert store.origin == origin


def test_made_anew_with_another_least_the_index_is_that_of_reading_with_it(
    library: Library, reader: LineReader, unread: Path, tmp_path: Path
) -> None:
    other = Library.open(shutil.copytree(unread / "archive", tmp_path / "other"))
    read_all(library, reader, least=0.2)
    few = spots(library)
    read_all(other, reader, least=0.05)
    count = reindex(
        library, reader.alphabet, replace(read_index_provenance(library).origin, least=0.05), lambda done, of: None
    )
    assert spots(library) == spots(other) and count == len(spots(other)) > len(few)


def test_a_word_that_a_hyphen_divides_is_one_of_the_first_line() -> None:
    alphabet = Alphabet(characters=" -acimno")
    lines = [
        pack_posteriors(written("un cami-".replace("u", "o"), alphabet)),
        pack_posteriors(written("no a", alphabet)),
    ]
    first, second = ({spot.word: spot.probability for spot in found}
                     for found in spots_of_lines(lines, alphabet, page=7, least=0.05))  # fmt: skip
    assert first["camino"] == pytest.approx(0.9**8, rel=0.2) and "camino" not in second
    assert {"on", "cami"} <= set(first) and {"no", "a"} <= set(second)


def test_a_line_of_which_a_smaller_picture_leaves_nothing_is_left_out(tmp_path: Path) -> None:
    ends = {"long": 4000, "short": 30}
    lines = "".join(f'<TextLine id="{name}"><Baseline points="10,{y} {x},{y}"/></TextLine>'
                    for y, (name, x) in enumerate(ends.items(), 100))  # fmt: skip
    xml = f'<PcGts><Page imageWidth="5000" imageHeight="5000"><TextRegion id="r">{lines}</TextRegion></Page></PcGts>'
    (tmp_path / "page.xml").write_text(xml)
    page = PageRow(id=1, unit="", position=0, label="", source="", frame=0, hash="", width=100, height=100,
                   transcript=str(tmp_path / "page.xml"), problem="", lines_from="", model="")  # fmt: skip
    kept, origin, skipped = page_lines(page, np.zeros((100, 100), np.uint8), none_found)
    assert ([line.id for line in kept], origin, skipped) == (["long"], "transcript", 1)


def written(text: str, alphabet: Alphabet) -> NDArray[np.float64]:
    """Each letter sure to 0.9 in every third frame, blanks between."""
    found = np.full((3 * len(text), alphabet.num_labels), 1e-9)
    found[:, 0] = 1
    for place, label in enumerate(alphabet.encode(text)):
        found[3 * place + 1, 0], found[3 * place + 1, label] = 0.1, 0.9
    whole: NDArray[np.float64] = found / found.sum(axis=1, keepdims=True)
    return whole


def divided(library: Library) -> None:
    """Two pages in one unit, three in another."""
    with library.changing() as connection:
        connection.execute("UPDATE pages SET unit = CASE WHEN id < 3 THEN 'a/1' ELSE 'b' END")


def test_another_least_for_one_unit_keeps_the_others(library: Library, reader: LineReader) -> None:
    divided(library)
    read_all(library, reader, least=0.05)
    origin = replace(read_index_provenance(library).origin, least=0.2)
    here = LocalReader(reader=reader, finder=none_found, min_probability=0.2)
    assert read_pages(library, here, origin, unit="a", force=True).pages == 2
    assert {spot.page for spot in spots(library)} == {"1", "2", "3", "4", "5"}
    assert min(spot.probability for spot in spots(library)) > 0.18


def test_another_model_for_one_unit_is_refused_before_anything_is_lost(library: Library, reader: LineReader) -> None:
    divided(library)
    read_all(library, reader)
    before = content(library), spots(library)
    origin = replace(read_index_provenance(library).origin, model="e" * 32)
    here = LocalReader(reader=reader, finder=none_found, min_probability=origin.least)
    with pytest.raises(CapasError) as error:
        read_pages(library, here, origin, unit="a")
    assert error.value.key == "other_pages_lost" and "3" in error.value.part("what")
    assert (content(library), spots(library)) == before
