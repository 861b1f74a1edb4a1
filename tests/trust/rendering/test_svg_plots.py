"""Charts as SVG: where a value is drawn is where its number lies on the axis."""

import re
from xml.etree import ElementTree

import pytest

from capas.core.i18n import choose_language
from capas.trust.rendering.blocks import Plot, PlotSeries
from capas.trust.rendering.svg_plots import (
    BOTTOM,
    COLOURS,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    legend_key,
    plot_svg,
)


def elements(svg: str, name: str, kind: str = "") -> list[ElementTree.Element]:
    found = ElementTree.fromstring(svg).iter(name)
    return [one for one in found if not kind or kind in one.get("class", "").split()]


def numbers(path: ElementTree.Element) -> list[float]:
    return [float(value) for value in re.findall(r"-?\d+\.?\d*", path.get("d", ""))]


def plotted(*lines: PlotSeries, percent_x: bool = False, percent_y: bool = True) -> str:
    return plot_svg(Plot(title="t", x="x", y="y", lines=lines, description="what it shows", percent_x=percent_x,
                         percent_y=percent_y))  # fmt: skip


def test_points_lie_on_the_axes() -> None:
    svg = plotted(PlotSeries(name="a", xs=(2, 4, 6), ys=(0, 0.5, 1)))
    left, right, low, high = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM, TOP
    (line,) = elements(svg, "path", "line")
    middle = ((left + right) / 2, (low + high) / 2)
    assert numbers(line) == pytest.approx([left, low, *middle, right, high], abs=0.06)
    dots = [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in elements(svg, "circle")]
    assert [value for dot in dots for value in dot] == pytest.approx(numbers(line))


def test_a_band_goes_there_along_the_lower_edge_and_back_along_the_upper() -> None:
    svg = plotted(PlotSeries(name="a", xs=(0, 1), ys=(0.5, 0.5), lows=(0.25, 0), highs=(0.75, 1)), percent_x=True)
    (band,) = elements(svg, "path", "band")
    height = HEIGHT - BOTTOM - TOP
    at = [HEIGHT - BOTTOM - share * height for share in (0.25, 0, 1, 0.75)]
    assert numbers(band)[1::2] == pytest.approx(at, abs=0.06)
    assert numbers(band)[0::2] == [LEFT, WIDTH - RIGHT, WIDTH - RIGHT, LEFT]


def test_ticks_are_round_numbers_in_the_axis_s_unit_and_language() -> None:
    def labels(svg: str) -> list[str]:
        return [one.text or "" for one in elements(svg, "text") if one.get("text-anchor") == "end"]

    line = PlotSeries(name="a", xs=(0, 1), ys=(0, 0.9))
    assert labels(plotted(line)) == ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]
    assert labels(plotted(line, percent_y=False)) == ["0", "0.2", "0.4", "0.6", "0.8"]
    choose_language("es")
    assert labels(plotted(line, percent_y=False)) == ["0", "0,2", "0,4", "0,6", "0,8"]
    # Values below zero are drawn, and one value alone is in the middle of its axis.
    assert labels(plotted(PlotSeries(name="a", xs=(0, 1), ys=(-5, 5)), percent_y=False)) == ["-4", "-2", "0", "2", "4"]
    (dot,) = elements(plotted(PlotSeries(name="a", xs=(3,), ys=(0.5,))), "circle")
    assert float(dot.get("cx", "")) == pytest.approx((LEFT + WIDTH - RIGHT) / 2, abs=0.06)


def test_a_dashed_line_has_no_dots_and_colours_begin_again() -> None:
    svg = plotted(*[PlotSeries(name=str(k), xs=(0, 1), ys=(0, 1), dashed=k == 1) for k in range(COLOURS + 1)])
    classes = [one.get("class", "") for one in elements(svg, "path", "line")]
    assert classes[0] == classes[COLOURS] == "line s0" and classes[1] == "line s1 dashed"
    assert len(elements(svg, "circle")) == 2 * COLOURS
    assert not elements(plotted(PlotSeries(name="a", xs=range(21), ys=[0.5] * 21)), "circle")
    for number, line in enumerate(
        (PlotSeries(name="a", xs=(), ys=()), PlotSeries(name="b", xs=(), ys=(), dashed=True))
    ):
        (key,) = elements(legend_key(line, number + COLOURS), "path")
        assert f"line {key.get('class')}" == classes[number]


def test_who_cannot_see_it_is_told_all_values() -> None:
    line = plotted(PlotSeries(name="a", xs=(0, 1), ys=(0, 1)))
    assert elements(line, "desc")[0].text == "what it shows"


def test_points_are_not_joined_and_an_axis_may_begin_above_zero() -> None:
    series = PlotSeries(name="a", xs=(10, 20), ys=(10, 20), points=True)
    svg = plot_svg(Plot(title="t", x="x", y="y", lines=[series], description="", percent_y=False, from_zero=False))
    dots = [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in elements(svg, "circle", "cloud")]
    assert dots == [(LEFT, HEIGHT - BOTTOM), (WIDTH - RIGHT, TOP)] and not elements(svg, "path", "line")
