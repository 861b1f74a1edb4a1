"""The style sheet knows every tone and status, refers to nothing outside the page, and can be put into one."""

import re
from typing import get_args

from capas.core.html import Markup
from capas.trust.rendering.blocks import Tone
from capas.trust.rendering.style import STYLE
from capas.trust.rendering.svg_plots import COLOURS
from capas.trust.theme import Status


def test_whatever_a_page_may_be_marked_with_has_a_style() -> None:
    for name in {*get_args(Tone), *get_args(Status)} - {"plain", "not_computed"}:
        assert re.search(rf"\.{name}\b", STYLE), name
    for name in ("word", "chart", "whisker", "band", "grid", "dashed", "legend", "gallery"):
        assert re.search(rf"\.{name}\b", STYLE), name
    for number in range(COLOURS):
        assert f"--c{number}:" in STYLE and f".s{number}" in STYLE and f".f{number}" in STYLE


def test_every_colour_that_is_used_is_defined_for_light_and_dark() -> None:
    light, dark = re.findall(r":root\{(.*?)\}", STYLE, re.DOTALL)
    names = [set(re.findall(r"(--[\w-]+):", part)) for part in (light, dark)]
    assert names[0] == names[1] and set(re.findall(r"var\((--[\w-]+)[,)]", STYLE)) - {"--share"} <= names[0]


def test_it_opens_offline_and_stays_inside_its_element() -> None:
    assert isinstance(STYLE, Markup) and STYLE.count("{") == STYLE.count("}")
    assert not re.search(r"@import|url\(|https?:|</", STYLE)
