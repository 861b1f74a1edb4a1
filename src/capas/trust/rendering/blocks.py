"""The building blocks of a theme's report, independent of HTML; all texts are in the user's language already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from capas.core.number_format import format_metric, metric_value

Tone = Literal["plain", "good", "attention", "problem"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentence:
    """A sentence; ``tone`` says how grave it is."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A table.

    Attributes:
        title: Heading.
        heads: Column heads.
        rows: Cells as text.
        right: Indices of the right-aligned (numeric) columns.
        note: Text below the table.
    """

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[int] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A bar of a chart, with its interval where there is one."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    value_text: str = ""
    tone: Tone = "plain"


def metric_bar(label: str, metric: object, tone: Tone = "plain") -> Bar:
    """Return the bar of a metric of a run, with its interval where it has one."""
    low, high = metric["interval"] if isinstance(metric, Mapping) and "interval" in metric else (None, None)
    return Bar(label=label, value=metric_value(metric), low=low, high=high, value_text=format_metric(metric), tone=tone)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bars:
    """Horizontal bars from 0 to ``largest``, in the order given."""

    title: str
    bars: Sequence[Bar]
    largest: float = 1.0
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlotSeries:
    """One series of a plot.

    Attributes:
        name: Name in the legend.
        xs: Abscissae.
        ys: Ordinates.
        lows: Lower edge of a confidence band; empty for none.
        highs: Upper edge of the band.
        dashed: Drawn dashed, for a reference.
        points: Drawn as points that no line joins.
    """

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    lows: Sequence[float] = ()
    highs: Sequence[float] = ()
    dashed: bool = False
    points: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Plot:
    """A plot of lines or points.

    Attributes:
        title: Heading.
        x: Label of the x axis.
        y: Label of the y axis.
        lines: The series.
        description: Alternative text for readers who cannot see the plot.
        percent_x: Whether x is a share 0..1, shown in percent.
        percent_y: Whether y is a share 0..1, shown in percent.
        from_zero: Whether the y axis begins at 0 where no value lies below.
        note: Text below the plot.
    """

    title: str
    x: str
    y: str
    lines: Sequence[PlotSeries]
    description: str
    percent_x: bool = False
    percent_y: bool = True
    from_zero: bool = True
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionedImage:
    """An image (uint8, H×W or H×W×3) with a caption; ``heatmap`` (0..1, H×W) is overlaid in colour."""

    image: NDArray[np.uint8]
    caption: str
    heatmap: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageGallery:
    """Images side by side."""

    title: str
    images: Sequence[CaptionedImage]
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class WordHeatmap:
    """A text whose words are coloured by ``weights`` (−1..1: against .. for), with a caption."""

    words: Sequence[str]
    weights: Sequence[float]
    caption: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfusionTable:
    """A confusion matrix.

    Attributes:
        title: Heading.
        names: Names of the classes.
        counts: Row i: how many examples of class i were taken for each class.
        corner: What rows and columns are.
        note: Text below.
    """

    title: str
    names: Sequence[str]
    counts: Sequence[Sequence[int]]
    corner: str
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Folded:
    """Blocks that are seen once their title is opened."""

    title: str
    blocks: "Sequence[Block]"


Block = Sentence | Grid | Bars | Plot | ImageGallery | WordHeatmap | ConfusionTable | Folded
