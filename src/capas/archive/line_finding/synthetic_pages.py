"""Synthetic training pages: columns, marginal notes, drop capitals, ruling, stains, bleed-through, borders."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from capas.archive.line_finding.spacing import Floats

_LETTERS: Final = "aaaabcdeeeeefghiiijlmnnnoooopqrrrssssttuuvxyz"
_SPACE: Final = 36  # pixels between lines, the scale of all that is learned from
_EMPTY: Final = 0.06


@dataclass(kw_only=True, slots=True)
class SyntheticPage:
    """A page as it is being drawn: ``ink`` (255 is full), its baselines and the line spacing at each."""

    dice: random.Random
    fonts: Sequence[Path]
    ink: Image.Image
    apart: str = ""  # blanks after the first letter of each line, where initials stand apart as in verse
    baselines: list[Floats] = field(default_factory=list)
    spaces: list[float] = field(default_factory=list)


def draw_page(seed: int, fonts: Sequence[Path]) -> tuple[NDArray[np.uint8], list[Floats], Floats]:
    """Return a grey page, its baselines, and the line spacing at each. Raises ValueError without ``fonts``."""
    if not fonts:
        raise ValueError("no fonts to write with")
    dice = random.Random(seed)
    width, height = dice.randint(700, 1300), dice.randint(900, 1500)
    page = SyntheticPage(dice=dice, fonts=fonts, ink=Image.new("L", (width, height), 0))
    if dice.random() > _EMPTY:
        _columns(page)
    if dice.random() < 0.4:
        _ruled(page)
    return _on_paper(page), page.baselines, np.array(page.spaces)


def _columns(page: SyntheticPage) -> None:
    dice, (width, height) = page.dice, page.ink.size
    count = dice.choice((1, 1, 1, 2, 2, 3))
    page.apart = dice.choice(("", "", "", "  ", "    "))
    left, right = dice.uniform(0.06, 0.22) * width, dice.uniform(0.78, 0.95) * width
    gap = dice.uniform(0.6, 2) * _SPACE
    font = dice.choice(page.fonts)
    each, space = (right - left + gap) / count - gap, _SPACE * dice.uniform(0.85, 1.2)
    top = dice.uniform(0.05, 0.2) * height
    for column in range(count):
        start = left + column * (each + gap)
        bottom = height * dice.uniform(0.55, 0.95)
        _column(page, font, (start, top, start + each, bottom), space)
    if dice.random() < 0.5:
        _notes(page, left, right)


def _column(page: SyntheticPage, font: Path, box: tuple[float, float, float, float], space: float) -> None:
    """Lines from the top to the bottom of ``box`` (left, top, right, bottom); some are short, some begin with a large
    letter that stands over several."""
    left, top, right, bottom = box
    dice, size = page.dice, _size_of(font, space * page.dice.uniform(0.3, 0.46))
    y, indented, indent = top + space, 0, 0.0
    while y < bottom:
        if dice.random() < 0.04 and indented == 0 and y + 4 * space < bottom:
            indented = dice.randint(2, 4)
            indent = _capital(page, font, left, y, indented, space)
        start = left + (indent if indented else 0) + dice.uniform(-0.15, 0.25) * space
        end = right if dice.random() < 0.88 else left + (right - left) * dice.uniform(0.15, 0.9)
        _write(page, font, size, (start, y), max(end - start, space), space)
        indented = max(0, indented - 1)
        y += space * (dice.uniform(0.96, 1.04) if dice.random() < 0.95 else dice.uniform(1.3, 2.5))


def _notes(page: SyntheticPage, left: float, right: float) -> None:
    """Short lines beside the text."""
    dice, (width, height) = page.dice, page.ink.size
    space, font = _SPACE * dice.uniform(0.6, 1), dice.choice(page.fonts)
    before = dice.random() < 0.5
    start, room = (width * 0.01, left - width * 0.04) if before else (right + width * 0.015, width * 0.97 - right)
    y, size = dice.uniform(0.1, 0.8) * height, _size_of(font, space * dice.uniform(0.32, 0.45))
    for _ in range(dice.randint(1, 6)):
        if room > space and y < height - space:
            _write(page, font, size, (start, y), room * dice.uniform(0.5, 1), space)
        y += space


def _capital(page: SyntheticPage, font: Path, left: float, y: float, lines: int, space: float) -> float:
    """A large letter whose foot stands on the last of so many lines; the room that it takes."""
    letter, size = page.dice.choice("ABCDEFGHILMNOPQRSTUV"), 0.72 * space * (lines - 0.4) / 0.7
    big = ImageFont.truetype(font, round(size))
    foot, extent = y + (lines - 1) * space, big.getlength(letter)
    ImageDraw.Draw(page.ink).text((left, foot), letter, fill=page.dice.randint(150, 255), font=big, anchor="ls")
    page.baselines.append(np.array([(left, foot), (left + extent, foot)]))
    page.spaces.append(space)
    return extent + 0.4 * space


def _size_of(font: Path, x_height: float) -> int:
    """The size at which the letters of a font have about this height."""
    _, top, _, bottom = ImageFont.truetype(font, 100).getbbox("x", anchor="ls")
    return max(8, round(100 * x_height / max(1, bottom - top)))


def _write(page: SyntheticPage, font: Path, size: int, at: tuple[float, float], room: float, space: float) -> None:
    """A line of words that begins at ``at`` and fills ``room``."""
    dice, face = page.dice, ImageFont.truetype(font, size)
    text = dice.choice(_LETTERS).upper() + page.apart if page.apart else ""
    while (extent := face.getlength(text)) < room:
        text += ("" if not text else " ") + "".join(dice.choice(_LETTERS) for _ in range(dice.randint(1, 9)))
        text = text if dice.random() > 0.1 else text.title()
    text = text[: max(1, int(len(text) * room / max(extent, 1)))].rstrip()
    ImageDraw.Draw(page.ink).text(at, text, fill=dice.randint(190, 255), font=face, anchor="ls")
    page.baselines.append(np.array([at, (at[0] + face.getlength(text), at[1])]))
    page.spaces.append(space)


def _ruled(page: SyntheticPage) -> None:
    """Ruling and frames, as faint as pencil or as dark as print."""
    dice, (width, height) = page.dice, page.ink.size
    pen, strength = ImageDraw.Draw(page.ink), dice.randint(30, 200)
    if dice.random() < 0.6:
        for line in page.baselines:
            y = line[0, 1] + dice.uniform(-1, 2)
            pen.line([(0.04 * width, y), (0.96 * width, y)], fill=min(strength, 90), width=1)
    for _ in range(dice.randint(1, 6)):
        x = dice.uniform(0.02, 0.98) * width
        pen.line([(x, 0), (x + dice.uniform(-9, 9), height)], fill=strength, width=dice.randint(1, 3))
    if dice.random() < 0.3:
        pen.rectangle((0.03 * width, 0.03 * height, 0.97 * width, 0.97 * height), outline=strength, width=2)


def _on_paper(page: SyntheticPage) -> NDArray[np.uint8]:
    """Ink of uneven strength on stained paper."""
    dice, rng = page.dice, np.random.default_rng(page.dice.getrandbits(32))
    width, height = page.ink.size
    light, dark = dice.uniform(150, 250), dice.uniform(10, 100)
    behind = np.asarray(page.ink.transpose(Image.Transpose.FLIP_LEFT_RIGHT).filter(ImageFilter.GaussianBlur(2)))
    paper = light + 9 * _clouds(rng, 7, width, height) + 4 * _clouds(rng, 50, width, height)
    paper -= dice.choice((0.0, 0.05, 0.2)) * (light - dark) * behind / 255
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    for _ in range(dice.randint(0, 5)):
        away = np.hypot(x - dice.uniform(0, width), y - dice.uniform(0, height)) / dice.uniform(20, 200)
        paper -= dice.uniform(5, 60) * np.exp(-(away**4))
    if dice.random() < 0.4:
        edge = round(dice.uniform(0.01, 0.06) * width)
        sides = np.minimum.reduce([x, y, width - x, height - y]) if dice.random() < 0.5 else x
        dirt = rng.normal(0, dice.choice((0, 40)), (height, width))
        paper = np.where(sides < edge, dice.uniform(0, 90) + dirt, paper)
    ink = np.asarray(page.ink.filter(ImageFilter.GaussianBlur(dice.uniform(0.2, 1.1))), dtype=np.float32) / 255
    ink *= (0.8 + 0.25 * _clouds(rng, 40, width, height)).clip(0.3, 1)
    return np.asarray((paper * (1 - ink) + dark * ink).clip(0, 255), dtype=np.uint8)


def _clouds(rng: np.random.Generator, cells: int, width: int, height: int) -> NDArray[np.float32]:
    coarse = Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
