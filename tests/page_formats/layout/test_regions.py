"""Lines are gathered into columns, notes and initials, as a person sees them on the page."""

import pytest

from capas.page_formats.layout.reading_order import sort_reading_order
from capas.page_formats.layout.regions import assign_regions, region_kind
from capas.page_formats.page import Line


def line(name: str, left: float, right: float, y: float) -> Line:
    return Line(id=name, baseline=((left, y), (right, y)), polygon=((left, y - 12), (right, y - 12), (right, y + 4)))


def column(name: str, left: float, right: float, *, lines: int = 8, top: float = 100, skew: float = 0) -> list[Line]:
    found = []
    for number in range(lines):
        y = top + 30 * number
        found.append(Line(id=f"{name}{number}", baseline=((left, y + skew * left), (right, y + skew * right))))
    return found


def regions(lines: list[Line]) -> dict[str, str]:
    return {one.id: one.region for one in assign_regions(sort_reading_order(lines))}


@pytest.mark.parametrize("skew", [0.0, 0.03, -0.03])
def test_each_column_is_a_region_however_near_and_askew(skew: float) -> None:
    found = regions([*column("a", 100, 400, skew=skew), *column("b", 415, 700, skew=skew)])
    assert {found[f"a{i}"] for i in range(8)} == {"MainZone_1"}
    assert {found[f"b{i}"] for i in range(8)} == {"MainZone_2"}


def test_a_wide_gap_parts_paragraphs_and_a_line_left_out_does_not() -> None:
    lines = [*column("a", 100, 400), *column("b", 100, 400, top=440)]
    del lines[3]
    found = regions(lines)
    assert {found[one.id] for one in lines if one.id[0] == "a"} == {"MainZone_1"}
    assert {found[one.id] for one in lines if one.id[0] == "b"} == {"MainZone_2"}


def test_a_row_in_two_pieces_stays_in_its_column() -> None:
    found = regions([line("left", 100, 240, 70), line("right", 255, 400, 71), *column("a", 100, 400)])
    assert set(found.values()) == {"MainZone_1"}


def test_notes_and_initials_have_regions_of_their_own() -> None:
    found = regions([*column("a", 200, 600), line("note", 620, 700, 190), line("first", 160, 195, 130),
                     line("second", 160, 195, 190)])  # fmt: skip
    assert found["note"] == "MarginTextZone_1"
    assert (found["first"], found["second"]) == ("DropCapitalZone_1", "DropCapitalZone_2")
    assert {region for name, region in found.items() if name[0] == "a"} == {"MainZone_1"}


def test_no_lines_no_regions() -> None:
    assert assign_regions(()) == ()
    assert (region_kind("MainZone_12"), region_kind("eSc_textblock_1"), region_kind("")) == ("MainZone", "", "")
