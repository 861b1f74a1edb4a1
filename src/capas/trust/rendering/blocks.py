"""What a theme of the report shows: values that a page draws and a terminal can say. All texts are in the user's
language already; nothing here knows HTML.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Tone = Literal["plain", "good", "attention", "problem"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentence:
    """A sentence of its own; ``tone`` says how grave it is."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A table. The columns numbered in ``right`` are numbers."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[int] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A bar in a chart, with its interval where there is one."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    value_text: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bars:
    """Horizontal bars from 0 to ``largest``, in the order given."""

    title: str
    bars: Sequence[Bar]
    largest: float = 1.0
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlotSeries:
    """A line through points, with a band where ``lows`` and ``highs`` are given; ``dashed`` for a reference."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    lows: Sequence[float] = ()
    highs: Sequence[float] = ()
    dashed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Plot:
    """Lines over a common axis; axes are shares (0..1, shown in percent) where ``percent_x`` or ``percent_y``.

    ``description`` says in words what is to be seen, for who cannot see it.
    """

    title: str
    x: str
    y: str
    lines: Sequence[PlotSeries]
    description: str
    percent_x: bool = False
    percent_y: bool = True
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionedImage:
    """A picture (uint8, H×W or H×W×3) with a caption; ``heatmap`` (0..1, H×W) is laid over it in colour."""

    image: NDArray[np.uint8]
    caption: str
    heatmap: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageGallery:
    """Pictures side by side."""

    title: str
    images: Sequence[CaptionedImage]
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class WordHeatmap:
    """A text whose words are coloured by ``weights`` (−1..1: against .. for), with a caption."""

    words: Sequence[str]
    weights: Sequence[float]
    caption: str


Block = Sentence | Grid | Bars | Plot | ImageGallery | WordHeatmap
