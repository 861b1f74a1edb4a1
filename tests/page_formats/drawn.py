"""Pages drawn for the tests: patterns laid along straight, skewed and curved baselines."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from capas.page_formats.page import Box, Line, Page, Points, Region, Word, scale_page
from capas.page_formats.provenance import Provenance
from capas.page_formats.unit import ArchivalUnit, Sheet

Picture = NDArray[np.uint8]
Floats = NDArray[np.float64]


def pattern(s: Floats, t: Floats) -> Floats:
    """Grey values of a line of "writing" at s along and t above its baseline: smooth, nowhere the same."""
    return 128 + 60 * np.sin(s / 9) * np.cos(t / 7) + 40 * np.sin(s / 31 + t / 11)


def drawn(height: int, width: int, where: Callable[[Floats, Floats], tuple[Floats, Floats]]) -> Picture:
    """The pattern on a page: ``where`` tells s and t of x and y, at the middles of the pixels."""
    y, x = np.mgrid[:height, :width] + 0.5
    return np.rint(pattern(*where(x, y))).astype(np.uint8)


def line(baseline: Points, polygon: Points = (), name: str = "a", text: str = "") -> Line:
    """A line of a page."""
    return Line(id=name, baseline=baseline, polygon=polygon, text=text)


def level(y: float, left: float = 10, right: float = 190, name: str = "a") -> Line:
    """A level line without an outline."""
    return line(((left, y), (right, y)), name=name)


MADE = Provenance(
    created="2026-11-23T19:00:00+00:00", settings=(("model", "0f3a"), ("epsilon", "0.01"), ("temperature", "1.2"))
)


def written_page() -> Page:
    """A page with what every standard can say of one: whole coordinates, outlines, lines in their order."""
    main = Region(id="main", kind="MainZone", polygon=((10, 10), (300, 12), (300, 390), (10, 390)))
    margin = Region(id="margin", kind="marginalia", polygon=((310, 10), (390, 10), (390, 200), (310, 200)))
    words = (
        Word(text="Sepan", box=Box(left=20, top=30, right=80, bottom=60), confidence=0.75, id="w1"),
        Word(text="quantos", box=Box(left=90, top=30, right=190, bottom=60), confidence=0.5, id="w2"),
    )
    lines = (
        Line(id="l1", baseline=((20, 50), (190, 52)), polygon=((20, 28), (190, 30), (190, 64), (20, 62)),
             text="Sepan quantos", region="main", order=0, confidence=0.625, words=words),
        Line(id="l2", baseline=((20, 90), (100, 91), (280, 95)), polygon=((20, 70), (280, 72), (280, 104), (20, 100)),
             text='esta carta vieren & "leyeren" <sic> ſoſpechó', region="main", order=1, confidence=0.25),
        Line(id="l3", baseline=((320, 40), (380, 40)), text="nota", region="margin", order=2),
        Line(id="l4", baseline=((30, 395), (90, 396)), polygon=((30, 380), (90, 380), (90, 399), (30, 399)), order=3),
    )  # fmt: skip
    return Page(width=400, height=400, image="folio 12r.jpg", regions=(main, margin), lines=lines)


def odd_page() -> Page:
    """Names that XML forbids, or that occur twice; characters that it cannot hold; lines and regions without outlines;
    lines that alternate between regions."""
    regions = (Region(id="same"), Region(id="12 a", kind="two words"))
    lines = (
        Line(id="same", baseline=((0.5, 5.25), (9, 5)), region="12 a", text="x\x00y\ud800 <&>"),
        Line(id="1", baseline=((1, 8), (9, 8)), region="same", confidence=1e-7),
        Line(id="ñ:2", baseline=((2, 9), (9, 9), (10, 8)), region="12 a"),
    )
    return Page(width=10, height=10, image='a "b" <c>.jpg', regions=regions, lines=lines)


PAGES = (written_page(), scale_page(written_page(), 523, 701), Page(width=10, height=20), odd_page())

UNIT = ArchivalUnit(
    id="ES.41091.AGI/ESCRIBANIA,1", title="Pleitos & «autos»", address="https://archive.example/view/1",
    sheets=(
        Sheet(label="1r", image="https://archive.example/1r.jpg?a=1&b=2", width=3000, height=4000,
              text="https://archive.example/1r.xml"),
        Sheet(label="1v", image="https://archive.example/iiif/1v/full/max/0/default.png", width=3001, height=4001),
    ),
)  # fmt: skip
EMPTY_UNIT = ArchivalUnit(id="x", title="", sheets=())
