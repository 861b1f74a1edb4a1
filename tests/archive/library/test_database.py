"""The library keeps whole pages, and what people said of them."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from capas.archive.library.database import FILE, Library, NewPage, _forget_lines
from capas.archive.review import record_correction
from capas.core.errors import CapasError
from capas.page_formats.page import Line

PAGE = NewPage(unit="a/b", label="1r", source="/x/1.jpg", frame=0, hash="h1", width=100, height=50)


def test_a_library_is_made_once_and_opened(tmp_path: Path) -> None:
    Library.create(tmp_path / "new", "")
    assert Library.open(tmp_path / "new").fact("title") == "new"
    with pytest.raises(CapasError) as exists:
        Library.create(tmp_path / "new", "")
    with pytest.raises(CapasError) as missing:
        Library.open(tmp_path)
    assert (exists.value.key, missing.value.key) == ("archive_exists", "no_archive")


def test_bytes_that_are_no_text_are_said_and_not_stored(tmp_path: Path) -> None:
    with pytest.raises(CapasError) as caught:
        Library.create(tmp_path / "new", "a\udcff")  # as Python reads the byte ff of a command line
    assert caught.value.key == "text_not_utf8" and caught.value.received == "a\\udcff"
    assert Library.create(tmp_path / "b\udcff", "").fact("title") == "b\\udcff"


def test_a_file_that_is_no_library_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(CapasError) as caught:
        Library.open(tmp_path)
    assert caught.value.key == "archive_unreadable"


def test_a_page_is_new_once_and_begun_anew_when_its_file_changes(tmp_path: Path) -> None:
    library = Library.create(tmp_path / "new", "")
    assert library.add_pages([PAGE, replace(PAGE, frame=1)]) == 2
    library.set_lines(1, [Line(id="l1", baseline=((0, 10), (90, 10)), text="uno")], origin="transcript")
    assert library.add_pages([PAGE]) == 0 and library.lines(1)[0].target == "uno"
    assert library.add_pages([replace(PAGE, hash="h2")]) == 1
    assert library.lines(1) == [] and library.page(1).lines_from == ""


def test_another_transcript_is_noticed_and_leaves_what_people_said(tmp_path: Path) -> None:
    library = Library.create(tmp_path / "new", "")
    with_transcript = replace(PAGE, transcript="/x/1.xml", transcript_hash="t1")
    library.add_pages([with_transcript])
    first, second = (Line(id=name, baseline=((0, y), (90, y)), text="uno") for name, y in (("l1", 10), ("l2", 30)))
    library.set_lines(1, [first, second], origin="transcript")
    record_correction(library, 1, "l1", "vno", "ana")
    assert library.add_pages([with_transcript]) == 0
    assert library.add_pages([replace(with_transcript, transcript_hash="t2")]) == 1
    assert library.page(1).lines_from == ""
    library.set_lines(1, [replace(first, text="una"), replace(second, text="dos")], origin="transcript")
    assert [row.target for row in library.lines(1)] == ["vno", "dos"]


def test_units_hold_what_lies_below_them_and_no_more(tmp_path: Path) -> None:
    library = Library.create(tmp_path / "new", "")
    units = ("a", "a/b", "ab", "a[x]/c", "ax/c")
    library.add_pages([replace(PAGE, unit=unit, frame=i) for i, unit in enumerate(units)])
    assert [page.unit for page in library.pages("a")] == ["a", "a/b"]
    assert [page.unit for page in library.pages("a[x]")] == ["a[x]/c"]
    assert dict(library.units()) == dict.fromkeys(units, 1)


def test_what_people_said_of_a_line_outlives_new_lines(library: Library) -> None:
    record_correction(library, 1, "l1", "que yo Juan", "ana")
    lines = [row.line for row in library.lines(1)]
    library.set_lines(1, [lines[0], lines[1]], origin="found")
    assert [row.target for row in library.lines(1)] == [None, "que yo Juan"]


def test_answers_must_be_as_many_as_the_lines(library: Library) -> None:
    with pytest.raises(ValueError, match="1 answers to 3 lines"):
        library.set_answers(1, [("a", 0.5, b"")], "m")
    assert library.lines(1)[0].text.startswith("sepan")


def test_what_was_looked_up_holds_until_it_is_written(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """A correction between a page's former lines and its new ones would be lost with the former."""
    monkeypatch.setattr("capas.archive.library.database.WAIT_S", 0.01)
    refused = list[str]()

    def meanwhile(connection: sqlite3.Connection, page: int) -> None:
        with pytest.raises(CapasError) as caught:
            record_correction(library, 1, "l1", "que yo Juan", "ana")
        refused.append(caught.value.key)
        forget(connection, page)

    forget = _forget_lines
    monkeypatch.setattr("capas.archive.library.database._forget_lines", meanwhile)
    library.set_lines(1, [row.line for row in library.lines(1)], origin="found")
    assert refused == ["database_busy"]
    record_correction(library, 1, "l1", "que yo Juan", "ana")
    assert library.lines(1)[1].target == "que yo Juan"
