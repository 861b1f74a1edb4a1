"""Plots as inline SVG without scripts, fonts or files; they use the page's colours and carry a description.

They are written here and not in a template: nearly all of an element is coordinates, which are computed on the way.
What comes from the data is put into ``Markup`` by ``format``, which escapes it.
"""

import math
from collections.abc import Sequence

from capas.core.html import Markup
from capas.core.number_format import format_decimal
from capas.trust.rendering.blocks import Plot, PlotSeries

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 24, 12, 44
COLOURS = 6


def plot_svg(plot: Plot) -> Markup:
    """Return a plot as SVG."""
    xs = [x for line in plot.lines for x in line.xs]
    ys = [y for line in plot.lines for y in (*line.ys, *line.highs)]
    across = _Axis(0.0 if plot.percent_x else min(xs), 1.0 if plot.percent_x else max(xs), LEFT, WIDTH - RIGHT)
    up = _Axis(min(0.0, *ys) if plot.from_zero else min(ys), 1.0 if plot.percent_y else max(ys), HEIGHT - BOTTOM, TOP)
    parts = [_grid(across, up, plot)]
    for number, line in enumerate(plot.lines):
        parts.append(_line(line, across, up, number))
    parts.append(
        Markup('<text class="axis" x="{}" y="{}" text-anchor="middle">{}</text>').format(
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, plot.x
        )
    )
    parts.append(
        Markup('<text class="axis" transform="translate(13 {}) rotate(-90)" text-anchor="middle">{}</text>').format(
            (TOP + HEIGHT - BOTTOM) / 2, plot.y
        )
    )
    return _framed(plot.title, plot.description, WIDTH, HEIGHT, parts)


def legend_key(line: PlotSeries, number: int) -> Markup:
    """Return the stroke of the series with this number, as it stands in the legend."""
    return Markup(
        '<svg class="key" viewBox="0 0 22 8" aria-hidden="true"><path class="s{}{}" d="M0 4H22"/></svg>'
    ).format(number % COLOURS, _dashed(line))


class _Axis:
    """Values to pixels."""

    def __init__(self, low: float, high: float, first: float, last: float) -> None:
        self.low, self.high = (low, high) if high > low else (low - 0.5, low + 0.5)
        self.first, self.last = first, last

    def at(self, value: float) -> float:
        return self.first + (value - self.low) / (self.high - self.low) * (self.last - self.first)

    def ticks(self) -> list[float]:
        """About five round numbers."""
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
        start = math.ceil(self.low / step - 1e-9)
        return [round(k * step, 10) for k in range(start, math.floor(self.high / step + 1e-9) + 1)]


def _grid(across: _Axis, up: _Axis, plot: Plot) -> Markup:
    line, parts = Markup('<path class="grid" d="{}"/>'), []
    text = Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>')
    for value in up.ticks():
        y = up.at(value)
        parts.append(line.format(f"M{LEFT} {y:.1f}H{WIDTH - RIGHT}"))
        parts.append(text.format(LEFT - 6, f"{y + 4:.1f}", "end", _number(value, plot.percent_y)))
    for value in across.ticks():
        x = across.at(value)
        parts.append(line.format(f"M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"))
        parts.append(text.format(f"{x:.1f}", HEIGHT - BOTTOM + 16, "middle", _number(value, plot.percent_x)))
    return Markup("").join(parts)


def _number(value: float, percent: bool) -> str:
    if percent:
        return f"{format_decimal(100 * value, 0)} %"
    digits = 0 if value == round(value) else 1 if 10 * value == round(10 * value) else 2 if abs(value) >= 0.01 else 3
    return format_decimal(value, digits)


def _line(line: PlotSeries, across: _Axis, up: _Axis, number: int) -> Markup:
    points = [(across.at(x), up.at(y)) for x, y in zip(line.xs, line.ys, strict=True)]
    colour, parts = number % COLOURS, []
    if line.lows and line.highs:
        there = [f"{across.at(x):.1f} {up.at(y):.1f}" for x, y in zip(line.xs, line.lows, strict=True)]
        back = [f"{across.at(x):.1f} {up.at(y):.1f}" for x, y in zip(line.xs, line.highs, strict=True)][::-1]
        parts.append(Markup('<path class="band f{}" d="M{}Z"/>').format(colour, "L".join(there + back)))
    if line.points:
        dot = Markup('<circle class="f{} cloud" cx="{:.1f}" cy="{:.1f}" r="3"/>')
        return Markup("").join(dot.format(colour, x, y) for x, y in points)
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    parts.append(Markup('<path class="line s{}{}" d="M{}"/>').format(colour, _dashed(line), path))
    if len(points) <= 20 and not line.dashed:
        dot = Markup('<circle class="f{}" cx="{:.1f}" cy="{:.1f}" r="3"/>')
        parts += [dot.format(colour, x, y) for x, y in points]
    return Markup("").join(parts)


def _dashed(line: PlotSeries) -> str:
    return " dashed" if line.dashed else ""


def _framed(title: str, description: str, width: float, height: float, inside: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" style="max-width:{}px">'
        "<title>{}</title><desc>{}</desc>{}</svg>"
    ).format(width, height, width, title, description, Markup("").join(inside))
