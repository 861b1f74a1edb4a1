"""What leaves the archive says what is in it: every format, whole units, and corrected lines to train on."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from capas.archive.exports.pages import export_pages
from capas.archive.learning.corrections import write_corrections
from capas.archive.library.database import Library
from capas.archive.review import record_correction
from capas.core.errors import CapasError
from capas.data.image.io import decode_image
from capas.page_formats.formats import read_page
from capas.page_formats.normalise import load_rules


def quiet(done: int, of: int) -> None:
    assert 0 < done <= of


@pytest.mark.parametrize("form", ["alto", "page", "hocr", "tei"])
def test_every_standard_holds_what_was_read_and_what_people_said(library: Library, tmp_path: Path, form: str) -> None:
    record_correction(library, 1, "l1", "que yo Juan", "ana")
    files = export_pages(library, tmp_path / "out", form, progress=quiet)
    assert [file.parent.relative_to(tmp_path / "out").as_posix() for file in files] == [
        "notaries/1606",
        "notaries/1607",
    ]
    lines = read_page(files[0]).page.lines
    assert [line.text for line in lines] == [row.line.text for row in library.lines(1)]
    assert lines[1].text == "que yo Juan"
    assert "f" * 32 in files[0].read_text()


def test_text_is_what_the_lines_say(library: Library, tmp_path: Path) -> None:
    (file,) = export_pages(library, tmp_path, "text", unit="notaries/1607", progress=quiet)
    assert file.read_text().splitlines() == [row.text for row in library.lines(2)]


def test_an_unknown_format_names_all_there_are(library: Library, tmp_path: Path) -> None:
    with pytest.raises(CapasError) as caught:
        export_pages(library, tmp_path, "docx", progress=quiet)
    assert caught.value.key == "archive_export_format" and "mets" in str(caught.value)


def test_mets_names_the_pictures_and_the_alto_beside_it(library: Library, tmp_path: Path) -> None:
    alto = export_pages(library, tmp_path, "alto", unit="notaries/1606", progress=quiet)
    files = export_pages(library, tmp_path, "mets", progress=quiet)
    links = [
        [one.get("{http://www.w3.org/1999/xlink}href") for one in ElementTree.parse(file).iter() if "FLocat" in one.tag]
        for file in files
    ]
    assert links == [[Path(library.page(1).source).as_uri(), alto[0].name], [Path(library.page(2).source).as_uri()]]


def test_ead_has_a_component_for_every_unit(library: Library, tmp_path: Path) -> None:
    (file,) = export_pages(library, tmp_path, "ead", progress=quiet)
    tree = ElementTree.parse(file)
    assert [one.text for one in tree.iter("{urn:isbn:1-931666-22-9}unittitle")][1:] == ["1606", "1607"]


@pytest.mark.parametrize("form", ["alto", "page", "hocr", "tei"])
def test_normalised_text_says_by_which_rules(library: Library, tmp_path: Path, form: str) -> None:
    record_correction(library, 1, "l1", "q̃ yo ꝑ Juan", "ana")
    rules = load_rules("castellano")
    (file,) = export_pages(library, tmp_path, form, unit="notaries/1606", rules=rules, progress=quiet)
    assert read_page(file).page.lines[1].text == "que yo por Juan"
    assert f"castellano ({rules.hash})" in file.read_text(encoding="utf-8")
    (kept,) = export_pages(library, tmp_path, form, unit="notaries/1606", progress=quiet)
    assert read_page(kept).page.lines[1].text == "q̃ yo ꝑ Juan"
    assert "normalisation" not in kept.read_text(encoding="utf-8")


def test_how_plain_text_was_made_stands_beside_it(library: Library, tmp_path: Path) -> None:
    rules = load_rules("castellano")
    files = export_pages(library, tmp_path, "text", rules=rules, progress=quiet)
    made = json.loads((tmp_path / "text.json").read_text(encoding="utf-8"))
    assert made["software"] == "Capas" and made["settings"]["normalisation"] == rules.description
    assert {"model", "epsilon", "temperature"} <= set(made["settings"]) and tmp_path / "text.json" not in files


def test_the_words_of_a_reading_that_is_not_the_best_path_have_places(library: Library, tmp_path: Path) -> None:
    """As a beam reads it: another letter in the second word."""
    row = library.lines(1)[0]
    other = row.text.replace("cuantos", "cuontos")
    with library.changing() as connection:
        connection.execute("UPDATE lines SET text = ? WHERE page = 1 AND number = 0", (other,))
    before = read_page(
        export_pages(library, tmp_path / "a", "alto", unit="notaries/1606", progress=quiet)[0]
    ).page.lines[0]
    assert before.text == other and [word.text for word in before.words] == other.split()
    assert before.words[1].confidence is not None and before.words[0].confidence is not None
    assert before.words[1].confidence < before.words[0].confidence


def test_corrected_lines_become_training_examples(library: Library, tmp_path: Path) -> None:
    record_correction(library, 1, "l1", "que yo Juan", "ana")
    record_correction(library, 2, "l0", "", "ana")
    assert write_corrections(library, tmp_path, quiet).lines == 1
    (text,) = (tmp_path / "lines").glob("*.gt.txt")
    assert text.read_text() == "que yo Juan\n"
    picture = decode_image(text.with_name(text.name.replace(".gt.txt", ".png")))
    assert 32 <= picture.shape[0] <= 160 and picture.shape[1] > 5 * picture.shape[0] and picture.min() < 100
    page = next(file for file in (tmp_path / "page").iterdir() if "fol_1" in file.name)
    assert [line.text for line in read_page(page).page.lines] == ["que yo Juan"]


def test_a_picture_that_vanished_costs_its_lines_only(library: Library, tmp_path: Path) -> None:
    record_correction(library, 1, "l1", "que yo Juan", "ana")
    record_correction(library, 2, "l1", "en la ciudad", "ana")
    with library.changing() as connection:
        connection.execute("UPDATE pages SET source = '/gone/1.png' WHERE id = 1")
    written = write_corrections(library, tmp_path, quiet)
    assert written.lines == 1 and [file for file, _ in written.bad] == ["/gone/1.png"]
