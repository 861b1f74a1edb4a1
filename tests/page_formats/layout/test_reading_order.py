"""Reading order on drawn layouts: whatever order the lines come in, they go out as a person reads them."""

import math
from itertools import pairwise

import numpy as np
import pytest

from capas.page_formats.layout.reading_order import sort_reading_order
from capas.page_formats.page import Line
from tests.page_formats.drawn import level, line


def column(name: str, left: float, right: float, tops: range) -> list[Line]:
    """Lines one under the other, ragged at the right."""
    ragged = (0, 25, 5, 40)
    return [level(y, left, right - ragged[i % 4], name=f"{name}{i}") for i, y in enumerate(tops)]


def turned(lines: list[Line], angle_deg: float) -> list[Line]:
    """The lines on a page that was laid askew."""
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return [line(tuple((x * c - y * s, x * s + y * c) for x, y in one.baseline), name=one.id) for one in lines]


def read(lines: list[Line]) -> list[str]:
    """The names in reading order, which must not depend on the order in which the lines come."""
    found = [one.id for one in sort_reading_order(lines)]
    for seed in range(3):
        shuffled = [lines[i] for i in np.random.default_rng(seed).permutation(len(lines))]
        assert [one.id for one in sort_reading_order(shuffled)] == found
    return found


def named(*lines: Line) -> list[str]:
    return [one.id for one in lines]


ONE = column("a", 100, 900, range(100, 900, 50))
LEFT, RIGHT = column("a", 100, 450, range(100, 900, 50)), column("b", 500, 850, range(120, 920, 50))


def test_one_column_from_top_to_bottom() -> None:
    assert read(ONE) == named(*ONE)
    assert [one.order for one in sort_reading_order(ONE)] == list(range(16))
    assert sort_reading_order([]) == ()


@pytest.mark.parametrize("angle_deg", (0, -6, 4, 12))
def test_two_columns_one_after_the_other_on_a_skewed_page_too(angle_deg: float) -> None:
    assert read(turned([*LEFT, *RIGHT], angle_deg)) == named(*LEFT, *RIGHT)


def test_a_heading_over_both_columns_comes_first_and_one_between_divides_them() -> None:
    heading, middle = level(50, 200, 800, name="heading"), level(1000, 150, 850, name="middle")
    below, beside = column("c", 100, 450, range(1100, 1400, 50)), column("d", 500, 850, range(1100, 1400, 50))
    lines = [heading, *LEFT, *RIGHT, middle, *below, *beside]
    assert read(lines) == named(*lines)


def test_the_pieces_of_one_line_are_read_from_left_to_right() -> None:
    pieces = [level(500, 100, 400, name="p0"), level(503, 450, 700, name="p1"), level(498, 720, 900, name="p2")]
    lines = [*ONE[:7], *pieces, *ONE[9:]]
    assert read(lines) == named(*lines)


def test_an_initial_is_read_before_the_lines_beside_it() -> None:
    initial = level(545, 100, 160, name="initial")  # its foot stands below the first line beside it
    beside = [level(450, 180, 880, name="s0"), level(500, 180, 900, name="s1"), level(550, 180, 860, name="s2")]
    lines = [*ONE[:6], initial, *beside, *ONE[10:]]
    assert read(lines) == named(*lines)


@pytest.mark.parametrize("foot, rise", ((402, 0), (402, 40), (455, 90), (505, 135)))
def test_an_initial_in_the_margin_is_no_note(foot: float, rise: float) -> None:
    outline = ((40.0, foot - rise), (80.0, foot - rise), (80.0, foot), (40.0, foot)) if rise else ()
    initial = line(((40, foot), (80, foot)), outline, name="initial")
    lines = [*ONE[:6], initial, *ONE[6:]]
    assert read(lines) == named(*lines)


@pytest.mark.parametrize("angle_deg", (0, 5))
def test_marginal_notes_follow_the_text(angle_deg: float) -> None:
    left = [level(y, 0, 85, name=f"n{y}") for y in (300, 330, 360)]
    right = [level(y, 920, 1060, name=f"m{y}") for y in (140, 165, 600)]
    assert read(turned([*ONE, *left, *right], angle_deg)) == named(*ONE, *left, *right)


def test_short_lines_within_the_text_are_no_notes() -> None:
    ends = [level(y, 100, 250, name=f"end{y}") for y in (900, 1150)]
    more = column("b", 100, 900, range(950, 1150, 50))
    lines = [*ONE, ends[0], *more, ends[1]]
    assert read(lines) == named(*lines)


def test_columns_that_touch_are_still_two() -> None:
    wide = [level(y, 100, 520, name=f"w{y}") for y in range(100, 500, 50)]
    narrow = [level(y, 490, 900, name=f"x{y}") for y in range(110, 510, 50)]
    assert read([*wide, *narrow]) == named(*wide, *narrow)


def test_contradictions_lose_no_line() -> None:
    """a before b before c before a, by the two rules."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        places = rng.uniform(0, 1000, (30, 2))
        lines = [level(y, x, x + rng.uniform(1, 600), name=str(i)) for i, (x, y) in enumerate(places)]
        assert sorted(read(lines)) == sorted(named(*lines))


def test_lines_of_one_height_and_place_are_all_kept() -> None:
    same = [level(10, 0, 50, name=str(i)) for i in range(4)]
    found = sort_reading_order(same)
    assert sorted(one.id for one in found) == ["0", "1", "2", "3"]
    assert all(b.order == (a.order or 0) + 1 for a, b in pairwise(found))
