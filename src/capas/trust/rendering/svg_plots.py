"""Plots as inline SVG without scripts, fonts or files; they use the page's colours and carry a description."""

import math
from collections.abc import Sequence
from html import escape

from capas.core.number_format import format_decimal
from capas.trust.rendering.blocks import Bars, Plot, PlotSeries

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 24, 12, 44
BAR, GAP, LABEL = 18, 8, 200


def plot_svg(plot: Plot) -> str:
    """Return a line plot as SVG."""
    xs = [x for line in plot.lines for x in line.xs]
    ys = [y for line in plot.lines for y in (*line.ys, *line.highs)]
    across = _Axis(0.0 if plot.percent_x else min(xs), 1.0 if plot.percent_x else max(xs), LEFT, WIDTH - RIGHT)
    up = _Axis(min(0.0, *ys), 1.0 if plot.percent_y else max(ys), HEIGHT - BOTTOM, TOP)
    parts = [_grid(across, up, plot)]
    for number, line in enumerate(plot.lines):
        parts.append(_line(line, across, up, number))
    parts.append(
        f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{escape(plot.x)}</text>"
        f'<text class="axis" transform="translate(13 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(plot.y)}</text>"
    )
    return _framed(plot.title, plot.description, WIDTH, HEIGHT, "".join(parts))


def legend(lines: Sequence[PlotSeries]) -> str:
    """Return the legend of the series as HTML; empty for a single one."""
    if len(lines) < 2:
        return ""
    items = "".join(
        '<li><svg class="key" viewBox="0 0 22 8" aria-hidden="true">'
        f'<path class="s{n % 6}{_dashed(line)}" d="M0 4H22"/></svg>'
        f"{escape(line.name)}</li>"
        for n, line in enumerate(lines)
    )
    return f'<ul class="legend">{items}</ul>'


def bars_svg(bars: Bars) -> str:
    """Return horizontal bars as SVG, labels on the left and values on the right."""
    width, height = WIDTH + 120, len(bars.bars) * (BAR + GAP) + GAP
    space = width - LABEL - 150
    drawn = []
    for number, bar in enumerate(bars.bars):
        top = GAP + number * (BAR + GAP)
        scale = space / (bars.largest or 1.0)
        length = max(0.0, bar.value) * scale
        middle = top + BAR / 2
        label = bar.label if len(bar.label) <= 26 else bar.label[:25] + "…"
        drawn.append(
            f'<text x="{LABEL - 8}" y="{middle + 4}" text-anchor="end">{escape(label)}</text>'
            f'<rect class="track" x="{LABEL}" y="{top}" width="{space}" height="{BAR}" rx="3"/>'
            f'<rect class="bar {bar.tone}" x="{LABEL}" y="{top}" width="{length:.1f}" height="{BAR}" rx="3"/>'
        )
        if bar.low is not None and bar.high is not None:
            low, high = (LABEL + max(0.0, end) * scale for end in (bar.low, bar.high))
            drawn.append(
                f'<path class="whisker" d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 4}v8'
                f'M{high:.1f} {middle - 4}v8"/>'
            )
        drawn.append(f'<text class="value" x="{LABEL + space + 8}" y="{middle + 4}">{escape(bar.value_text)}</text>')
    description = "; ".join(f"{bar.label}: {bar.value_text}" for bar in bars.bars)
    return _framed(bars.title, description, width, height, "".join(drawn))


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


def _grid(across: _Axis, up: _Axis, plot: Plot) -> str:
    parts = []
    for value in up.ticks():
        y = up.at(value)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(value, plot.percent_y)}</text>')
    for value in across.ticks():
        x = across.at(value)
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{_number(value, plot.percent_x)}</text>'
        )
    return "".join(parts)


def _number(value: float, percent: bool) -> str:
    if percent:
        return f"{format_decimal(100 * value, 0)} %"
    digits = 0 if value == round(value) else 1 if 10 * value == round(10 * value) else 2 if abs(value) >= 0.01 else 3
    return format_decimal(value, digits)


def _line(line: PlotSeries, across: _Axis, up: _Axis, number: int) -> str:
    points = [(across.at(x), up.at(y)) for x, y in zip(line.xs, line.ys, strict=True)]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    style = f"s{number % 6}"
    band = ""
    if line.lows and line.highs:
        there = [f"{across.at(x):.1f} {up.at(y):.1f}" for x, y in zip(line.xs, line.lows, strict=True)]
        back = [f"{across.at(x):.1f} {up.at(y):.1f}" for x, y in zip(line.xs, line.highs, strict=True)][::-1]
        band = f'<path class="band f{number % 6}" d="M{"L".join(there + back)}Z"/>'
    few = len(points) <= 20 and not line.dashed
    dots = "".join(f'<circle class="f{number % 6}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points) if few else ""
    return f'{band}<path class="line {style}{_dashed(line)}" d="{path}"/>{dots}'


def _dashed(line: PlotSeries) -> str:
    return " dashed" if line.dashed else ""


def _framed(title: str, description: str, width: float, height: float, inside: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" style="max-width:{width}px">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{inside}</svg>"
    )
