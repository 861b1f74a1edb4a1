"""Lines found with the weights that ship."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from capas.archive.line_finding.model import LineFinder
from capas.evaluation.baseline_detection import baseline_detection_metrics, page_baseline_metrics
from capas.page_formats.page import Line, baseline_fault, bounding_box
from tests.archive.line_finding.pages_drawn import Picture, blank, turned, write

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def finder() -> LineFinder:
    return LineFinder.open()


def f_of(true: list[Floats], lines: tuple[Line, ...]) -> float:
    return baseline_detection_metrics([page_baseline_metrics(true, [np.array(line.baseline) for line in lines])]).f


def test_lines_come_in_order_with_numbers_and_outlines(finder: LineFinder) -> None:
    page = blank(1000, 1300)
    true = write(page, 120, range(160, 1200, 60), 740)
    lines = finder.find(np.array(page))
    assert f_of(true, lines) > 0.97
    assert [line.id for line in lines] == [f"line_{i + 1}" for i in range(len(true))]
    assert [line.order for line in lines] == list(range(len(true)))
    for line, baseline in zip(lines, true, strict=True):
        box, y = bounding_box(line.polygon), baseline[0, 1]
        assert baseline_fault(line.baseline, 1000, 1300) is None
        assert y - 58 < box.top < y - 22 and y + 3 < box.bottom < y + 30
        assert abs(box.left - baseline[0, 0]) < 30 and abs(box.right - baseline[1, 0]) < 30
        assert line.confidence is not None and 0.5 < line.confidence <= 1


def test_grey_colour_and_bitonal_are_alike(finder: LineFinder) -> None:
    page = blank(1000, 1300)
    true = write(page, 120, range(160, 1200, 60), 740)
    grey = np.array(page)
    tinted = (grey[:, :, None] * np.array([1, 0.95, 0.8])).astype(np.uint8)
    bitonal = np.where(grey < 128, 0, 255).astype(np.uint8)
    assert all(f_of(true, finder.find(picture)) > 0.95 for picture in (grey, tinted, bitonal))


@pytest.mark.parametrize("degrees", [-4, 4])
def test_skew(finder: LineFinder, degrees: float) -> None:
    page = blank(1000, 1300)
    lines = write(page, 160, range(200, 1150, 60), 660)
    picture, true = turned(page, degrees, lines)
    assert f_of(true, finder.find(picture)) > 0.95


def test_columns_are_read_one_after_the_other(finder: LineFinder) -> None:
    page = blank(1300, 1300)
    true = [line for x in (100, 690) for line in write(page, x, range(160, 1200, 60), 500)]
    lines = finder.find(np.array(page))
    assert f_of(true, lines) > 0.95
    assert [line.baseline[0][0] > 600 for line in lines] == [False] * (len(true) // 2) + [True] * (len(true) // 2)


def test_small_writing_is_looked_at_again_and_large_writing_is_found(finder: LineFinder) -> None:
    small, large = blank(1400, 1800), blank(800, 700)
    true = write(small, 150, range(150, 1650, 16), 1000, 9)
    assert f_of(true, finder.find(np.array(small))) > 0.9
    assert f_of(write(large, 80, range(120, 650, 75), 600, 36), finder.find(np.array(large))) > 0.9


def test_a_note_beside_the_text_is_a_line_of_its_own(finder: LineFinder) -> None:
    page = blank(1200, 1300)
    text = write(page, 380, range(160, 1200, 60), 680)
    note = write(page, 60, (410, 455, 500), 220, 24)
    lines = finder.find(np.array(page))
    assert f_of([*text, *note], lines) > 0.93
    assert not [line for line in lines if line.box.left < 300 and line.box.right > 500]


def test_a_large_letter_is_in_no_other_lines_outline(finder: LineFinder) -> None:
    page = blank(1000, 1300)
    ImageDraw.Draw(page).text((110, 335), "S", fill=40, font=ImageFont.load_default(190), anchor="ls")
    beside, below = write(page, 270, (220, 280, 340), 600), write(page, 110, range(400, 1200, 60), 760)
    lines = finder.find(np.array(page))
    assert f_of([*beside, *below], lines) > 0.9
    assert all(line.box.height < 100 for line in lines if line.box.width > 300)


@pytest.mark.parametrize(
    "picture",
    [np.full((900, 700), 230, np.uint8), np.zeros((900, 700), np.uint8), np.full((700, 500, 3), 255, np.uint8),
     np.zeros((1, 1), np.uint8), np.zeros((3, 2000), np.uint8), np.zeros((2000, 3, 3), np.uint8),
     np.full((8, 8), 9, np.uint8)],
)  # fmt: skip
def test_nothing_is_found_on_nothing(finder: LineFinder, picture: Picture) -> None:
    assert finder.find(picture) == ()


@pytest.mark.parametrize("shape", [(700, 500), (400, 600, 3), (17, 900), (900, 9)])
def test_noise_has_few_lines_and_raises_nothing(finder: LineFinder, shape: tuple[int, ...]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert len(finder.find(noise)) < 5


def test_one_line_alone(finder: LineFinder) -> None:
    page = Image.new("L", (900, 90), 230)
    (true,) = write(page, 60, (58,), 760)
    lines = finder.find(np.array(page))
    assert len(lines) == 1 and f_of([true], lines) > 0.9
