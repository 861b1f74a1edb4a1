"""Lines are the same by place: whatever their ids, and never where the text is another line's."""

from dataclasses import replace
from pathlib import Path

import pytest

from capas.archive.library.database import Library, NewPage
from capas.archive.library.line_matching import match_lines, says_the_same
from capas.archive.review import record_correction, record_verdict, reviews
from capas.page_formats.page import Line

PAGE = NewPage(unit="u", label="1r", source="/x/1.jpg", frame=0, hash="h1", width=800, height=600,
               transcript="/x/1.xml", transcript_hash="t1")  # fmt: skip


def line(name: str, y: float, text: str = "", *, left: float = 50, right: float = 750) -> Line:
    return Line(id=name, baseline=((left, y), (right, y)), text=text)


FORMER = [line("l1", 100), line("l2", 160), line("l3", 220)]


def test_lines_match_by_place_whatever_their_names_and_number() -> None:
    present = [line("l1", 40), line("l2", 103), line("l3", 158), line("l4", 221)]
    assert match_lines(FORMER, present, 600) == {0: 1, 1: 2, 2: 3}
    assert match_lines([], present, 600) == match_lines(FORMER, [], 600) == {}


@pytest.mark.parametrize(
    "present", [[line("l1", 130)], [line("l1", 100, right=350)], [line("l1", 100, left=900, right=1500)]]
)
def test_between_two_lines_half_a_line_and_another_column_match_nothing(present: list[Line]) -> None:
    assert match_lines(FORMER, present, 600) == {}


def test_a_slanted_line_is_itself_with_other_points() -> None:
    slanted = Line(id="a", baseline=((50, 100), (750, 140)))
    finer = Line(id="b", baseline=((52, 101), (400, 121), (748, 139)))
    assert match_lines([slanted], [finer], 600) == {0: 0}


def test_a_text_of_another_line_is_contradicted_an_empty_one_is_not() -> None:
    page = [line("a", 1, "first line"), line("b", 2, "secnod line")]
    said = {"secnod line", "second line"}
    assert not says_the_same(page[0], said, page)
    assert says_the_same(page[1], said, page) and says_the_same(line("c", 3), said, page)
    assert not says_the_same(line("c", 3, "wholly other words"), said, [])


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """A page whose second line of three was corrected and judged."""
    made = Library.create(tmp_path / "a", "")
    made.add_pages([PAGE])
    made.set_lines(1, [replace(one, text=text) for one, text in
                       zip(FORMER, ("first line", "secnod line", "third line"), strict=True)],
                   origin="transcript")  # fmt: skip
    record_correction(made, 1, "l2", "second line", "Ana")
    record_verdict(made, 1, "l2", "line", "right", "Ana")
    return made


def test_what_people_said_follows_its_place_into_another_export(library: Library) -> None:
    anew = [line("l1", 40, "HEADING"), line("l2", 100, "first line"), line("l3", 160, "secnod line")]
    library.set_lines(1, anew, origin="transcript")
    assert [row.target for row in library.lines(1)] == ["HEADING", "first line", "second line"]
    assert {said.line for said in reviews(library)} == {"l3"} and library.unplaced_reviews() == 0


def test_what_has_no_line_any_more_is_kept_apart_until_it_has_one_again(library: Library) -> None:
    library.set_lines(1, [line("l2", 100, "first line")], origin="transcript")
    assert [row.target for row in library.lines(1)] == ["first line"]
    assert library.unplaced_reviews() == 2 and {said.text for said in reviews(library)} == {"second line", ""}
    library.set_lines(1, [line("x", 161)], origin="found")
    assert library.lines(1)[0].target == "second line" and library.unplaced_reviews() == 0


def test_another_picture_takes_no_line_over(library: Library) -> None:
    library.add_pages([replace(PAGE, hash="h2")])
    library.set_lines(1, [line("l2", 160, "secnod line")], origin="transcript")
    assert library.lines(1)[0].target == "secnod line" and library.unplaced_reviews() == 2


def test_lines_of_one_name_are_told_apart(library: Library) -> None:
    library.set_lines(1, [line("l", 100), line("l", 160), line("", 220), line("l-2", 300)], origin="found")
    assert [row.line.id for row in library.lines(1)] == ["l", "l-2", "line", "l-2-2"]
