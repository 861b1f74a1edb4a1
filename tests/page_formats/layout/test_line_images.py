"""Lines cut from drawn pages: what comes out is the pattern that was laid along the baseline."""

import numpy as np
import pytest

from capas.engine.recipes.transcription.line_images import MAX_ASPECT_RATIO as LONGEST_READ
from capas.page_formats.layout.baseline_axis import baseline_axis
from capas.page_formats.layout.line_images import (
    ABOVE,
    BELOW,
    LARGEST,
    LONGEST,
    SMALLEST,
    LineExtent,
    crop_line,
    line_extents,
    line_outline,
    line_size,
)
from capas.page_formats.page import Line, bounding_box
from tests.page_formats.drawn import Floats, drawn, level, line, pattern

REACH = LineExtent(up=30, down=10)
PAGE = np.random.default_rng(0).integers(0, 256, (100, 200), dtype=np.uint8)


def expected(height: int, width: int, reach: LineExtent = REACH, start: float = 0.0) -> Floats:
    """The pattern where the pixels of a cut lie."""
    scale = reach.height / height
    t = reach.up - (np.arange(height) + 0.5) * scale
    return pattern(start + (np.arange(width) + 0.5) * scale, t[:, None])


def test_a_level_line_at_its_own_height_is_a_crop_of_the_page() -> None:
    one = crop_line(PAGE, level(60), 40, reach=REACH)
    assert one.dtype == np.uint8
    assert np.array_equal(one, PAGE[30:70, 10:190])


@pytest.mark.parametrize("factor", (2, 4))
def test_a_smaller_line_is_the_mean_of_squares(factor: int) -> None:
    means = PAGE[30:70, 10:190].reshape(40 // factor, factor, 180 // factor, factor).mean(axis=(1, 3))
    assert np.abs(crop_line(PAGE, level(60), 40 // factor, reach=REACH) - means).max() <= 0.5


@pytest.mark.parametrize("angle_deg", (-8, 3, 15, 90))
def test_a_skewed_line_is_straightened(angle_deg: float) -> None:
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    x0, y0 = (150.0, 100.0) if angle_deg == 90 else (60.0, 150.0)
    page = drawn(400, 400, lambda x, y: ((x - x0) * c + (y - y0) * s, (x - x0) * s - (y - y0) * c))
    one = crop_line(page, line(((x0, y0), (x0 + 250 * c, y0 + 250 * s))), 40, reach=REACH)
    assert np.abs(one - expected(*one.shape)).mean() < 1.5
    assert one.shape == (40, 250)


def test_a_curved_line_is_straightened() -> None:
    radius, angles = 400.0, np.linspace(-0.4, 0.4, 9)
    baseline = tuple((250 + radius * float(np.sin(a)), 500 - radius * float(np.cos(a))) for a in angles)

    def place(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        away, angle = np.hypot(x - 250, y - 500), np.arctan2(x - 250, 500 - y)
        return (angle + 0.4) * radius, away - radius

    one = crop_line(drawn(500, 500, place), line(baseline), 40, reach=REACH)
    # Chords are a little shorter than their arcs.
    assert abs(one.shape[1] - 0.8 * radius) <= 2
    assert np.abs(one - expected(*one.shape)).mean() < 6


def test_kinks_of_a_hand_drawn_baseline_do_not_tear_the_letters() -> None:
    kinked = tuple((10.0 + 20 * i, 60.0 + (3 if i % 2 else 0)) for i in range(10))
    points = baseline_axis(kinked, 40).points
    assert np.abs(points[10:-10, 1] - 61.5).max() < 0.5


def test_the_direction_in_which_a_baseline_was_drawn_changes_nothing() -> None:
    skewed = ((10.0, 60.0), (100.0, 63.0), (190.0, 58.0))
    forth, back = (crop_line(PAGE, line(points), 32, reach=REACH) for points in (skewed, skewed[::-1]))
    assert np.abs(forth.astype(int) - back).max() <= 1


def test_beyond_the_ends_of_the_baseline_the_outline_tells_how_far_the_line_goes() -> None:
    outline = ((30.0, 30.0), (170.0, 30.0), (170.0, 70.0), (30.0, 70.0))
    assert np.array_equal(crop_line(PAGE, line(((50, 60), (150, 60)), outline), 40, reach=REACH), PAGE[30:70, 30:170])
    far = ((10.0, 30.0), (190.0, 30.0), (190.0, 70.0), (10.0, 70.0))  # but for one height at most
    assert np.array_equal(crop_line(PAGE, line(((90, 60), (110, 60)), far), 40, reach=REACH), PAGE[30:70, 50:150])


@pytest.mark.parametrize("paper, ink", ((230, 40), (20, 220)))
def test_outside_the_outline_there_is_paper(paper: int, ink: int) -> None:
    page = np.full((100, 300), paper, dtype=np.uint8)
    page[20:30] = ink  # the descenders of the line above
    page[50:58, 40:260] = ink
    outline = ((30.0, 40.0), (270.0, 40.0), (270.0, 70.0), (30.0, 70.0))
    one = crop_line(page, line(((30, 60), (270, 60)), outline), 50, reach=LineExtent(up=40, down=10))
    assert set(np.unique(one[:20])) == {paper}
    assert set(np.unique(one[30:38, 10:230])) == {ink}


def test_a_slanted_outline_leaves_out_what_is_beside_it() -> None:
    page = np.full((100, 200), 250, dtype=np.uint8)
    page[30:70] = 200
    page[30:40, 20:60] = 0
    outline = ((10.0, 45.0), (60.0, 45.0), (100.0, 32.0), (190.0, 32.0), (190.0, 68.0), (10.0, 68.0))
    one = crop_line(page, line(((10, 60), (190, 60)), outline), 40, reach=REACH)
    assert one.min() == 200


def test_off_the_page_there_is_paper() -> None:
    page = np.full((40, 200), 180, dtype=np.uint8)
    page[:, 50:150:7] = 20
    one = crop_line(page, level(20), 40, reach=LineExtent(up=30, down=10))
    assert set(np.unique(one[:10])) == {180}
    assert one[12:].min() == 20


def test_colour_grey_and_bitonal_pages_give_the_same_kind_of_line() -> None:
    bitonal = np.where(PAGE > 128, 255, 0).astype(np.uint8)
    grey = crop_line(bitonal, level(60), 40, reach=REACH)
    assert np.array_equal(crop_line(bitonal[..., None], level(60), 40, reach=REACH), grey)
    assert (
        np.abs(crop_line(np.repeat(bitonal[..., None], 3, 2), level(60), 40, reach=REACH).astype(int) - grey).max() <= 1
    )
    red = np.zeros((100, 200, 3), dtype=np.uint8)
    red[..., 0] = 255
    assert set(np.unique(crop_line(red, level(60), 40, reach=REACH))) == {76}


def test_an_outline_says_how_far_a_line_reaches() -> None:
    outline = ((10.0, 35.0), (190.0, 35.0), (190.0, 68.0), (10.0, 68.0))
    reach = line_extents([line(((10, 60), (190, 60)), outline)], 1000)[0]
    assert (reach.up, reach.down) == pytest.approx((25 + 33 / 20, 8 + 33 / 20))


def test_without_outlines_the_neighbours_say_it() -> None:
    lines = [level(100), level(140), level(180), level(182, 195, 260), level(220)]
    found = line_extents(lines, 1000)
    assert [(r.up, r.down) for r in found] == [pytest.approx((ABOVE * 40, BELOW * 40))] * 5


def test_a_line_alone_is_as_high_as_lines_usually_are() -> None:
    assert line_extents([level(100)], 900)[0].height == pytest.approx(30)
    assert line_extents([], 900) == []


def test_one_line_is_not_much_smaller_or_larger_than_the_others() -> None:
    def outlined(y: float, height: float) -> tuple[tuple[float, float], ...]:
        return ((10.0, y - height), (190.0, y - height), (190.0, y), (10.0, y))

    sizes = (40, 40, 40, 400, 5)
    found = line_extents([line(((10, y), (190, y)), outlined(y, h)) for y, h in zip(range(500, 1000, 100), sizes,
                                                                             strict=True)], 1000)  # fmt: skip
    usual = found[0].height
    assert found[3].height == pytest.approx(LARGEST * usual)
    assert found[4].height == pytest.approx(SMALLEST * usual)


def test_a_thin_line_is_as_high_as_its_length_wants() -> None:
    thin = line(((0, 60), (5000, 60)), ((0, 59), (5000, 59), (5000, 61), (0, 61)))
    assert line_extents([thin], 100)[0].height == pytest.approx(5000 / LONGEST)


@pytest.mark.parametrize("height", [32, 48, 64])
def test_no_line_is_longer_than_readers_take_it(height: int) -> None:
    outline = ((-900.0, 45.0), (6900.0, 45.0), (6900.0, 52.0), (-900.0, 52.0))
    for polygon in ((), outline):
        line = Line(id="l", baseline=((0.0, 50.0), (6000.0, 50.0)), polygon=polygon)
        (reach,) = line_extents([line], 100)
        assert line_size(line, height, reach) <= LONGEST_READ * height


def test_the_size_is_known_without_the_picture() -> None:
    skewed = line(((12, 60), (100, 65), (180, 61)), ((8, 40), (190, 45), (186, 75), (5, 70)))
    reach = line_extents([skewed], 100)[0]
    assert crop_line(PAGE, skewed, 24, reach=reach).shape == (24, line_size(skewed, 24, reach))
    assert np.array_equal(crop_line(PAGE, skewed, 24), crop_line(PAGE, skewed, 24, reach=reach))


@pytest.mark.parametrize(
    "one, first, last, sides",
    (
        (level(60), 10, 40, (30, 30, 90, 70)),
        (level(60), -5, 500, (10, 30, 190, 70)),
        (line(((50, 50), (130, 110))), 0, 50, (44, 26, 148, 118)),
    ),
)
def test_columns_of_a_cut_have_a_place_on_the_page(
    one: Line, first: float, last: float, sides: tuple[float, ...]
) -> None:
    box = bounding_box(line_outline(one, 20, REACH, first, last))
    assert (box.left, box.top, box.right, box.bottom) == pytest.approx(sides)


def test_a_baseline_without_length_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="without length"):
        crop_line(PAGE, line(((5, 5), (5, 5))), 40, reach=REACH)
    with pytest.raises(ValueError, match="height"):
        crop_line(PAGE, level(60), 0)
