"""Pages written with Pillow's own font, which no network here has learned from."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]
WORDS = "sepan cuantos esta carta vieren como yo el dicho escribano otorgo y conozco que debo dar y pagar "


def blank(width: int, height: int) -> Image.Image:
    return Image.new("L", (width, height), 225)


def write(page: Image.Image, x: float, ys: Sequence[float], length: float, size: int = 30) -> list[NDArray[np.float64]]:
    """Lines of about this length that begin at ``x``; their baselines."""
    font, pen, baselines = ImageFont.load_default(size), ImageDraw.Draw(page), []
    for number, y in enumerate(ys):
        text = (WORDS[number % 40 :] + WORDS * 3)[: int(length / font.getlength("o"))].strip()
        pen.text((x, y), text, fill=40, font=font, anchor="ls")
        baselines.append(np.array([(x, y), (x + font.getlength(text), y)]))
    return baselines


def turned(
    page: Image.Image, degrees: float, baselines: Sequence[NDArray[np.float64]]
) -> tuple[Picture, list[NDArray[np.float64]]]:
    """The page and its baselines, anticlockwise about its middle."""
    centre, angle = np.array(page.size) / 2, np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    picture = page.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=225)
    return np.array(picture), [(line - centre) @ turn.T + centre for line in baselines]
