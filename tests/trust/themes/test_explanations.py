"""Maps of a linear model are exact; and whether one place decides alone is known of a model made for it."""

from collections.abc import Mapping
from typing import cast

import pytest
import torch
from torch import nn

from capas.core.i18n import say
from capas.trust.rendering.blocks import ImageGallery
from capas.trust.subjects.structured import StructuredModelUnderTest
from capas.trust.theme import Theme
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.explanations import explanations_theme
from tests.trust.made_models import Halves, StubAdapter, asked, grid, half_pictures, halves_subject, made_context

LABELS = [i % 2 for i in range(70)]
SPLITS = ["train"] * 20 + ["test"] * 50


class AboveHalfOfThem(Halves):
    """Says "right" only where the right half is much lighter: no single place can say so."""

    def __init__(self) -> None:
        super().__init__(20.0)
        self.output.bias = nn.Parameter(torch.tensor([2.5, -2.5]))


def theme(network: nn.Module | None = None, *, labels: list[int] = LABELS) -> Theme:
    subject = halves_subject(labels, SPLITS, network=network, seen=LABELS)
    return explanations_theme(asked(subject))


def method(theme: Theme, name: str) -> Mapping[str, float]:
    return cast(Mapping[str, Mapping[str, float]], theme.facts["methods"])[name]


@pytest.fixture(scope="module")
def halves() -> Theme:
    return theme()


def test_exact_maps_beat_the_controls(halves: Theme) -> None:
    assert set(cast(Mapping[str, object], halves.facts["methods"])) == {
        "integrated_gradients", "occlusion", "gradient", "grad_cam", "brightness", "random"}  # fmt: skip
    for name in ("integrated_gradients", "occlusion"):
        found = method(halves, name)
        assert found["deletion"] < method(halves, "random")["deletion"] - 0.015
        assert found["insertion"] > method(halves, "random")["insertion"] + 0.015
    # The gradient is as large everywhere, so it ranks nothing.
    assert method(halves, "gradient")["reliable"] is False
    assert halves.facts["n"] == 40


def test_of_the_right_ones_only(halves: Theme) -> None:
    labels = [1 - label if 20 <= i < 40 else label for i, label in enumerate(LABELS)]
    assert theme(labels=labels).facts["n"] == 30
    nothing = theme(labels=[1 - label for label in LABELS])
    assert nothing.status == "not_computed" and nothing.not_computed_because == say("trust.zones.nothing_right")


def test_maps_are_shown_with_the_names_and_classes_of_their_pictures(halves: Theme) -> None:
    (gallery,) = [one for one in halves.blocks if isinstance(one, ImageGallery)
                  and one.title == say("trust.zones.maps")]  # fmt: skip
    assert len(gallery.images) == 10
    for one in gallery.images:
        name, _, label = one.caption.partition(": ")
        assert label == ("left", "right")[LABELS[int(name.removeprefix("pictures/"))]]
        assert one.heatmap is not None and one.heatmap.shape == (8, 8) and 0 <= one.heatmap.min() <= 1


def test_where_every_place_decides_alone_it_is_told_and_where_none_does_it_is_not(halves: Theme) -> None:
    place = cast(Mapping[str, Mapping[str, Mapping[str, float]]], halves.facts["place"])
    assert place["most_telling_alone"]["right"]["value"] == 1
    assert place["most_missed_when_covered"]["right"]["value"] == 1
    assert "one_place_decides" in [one.key for one in halves.findings] and halves.status == "problem"
    whole = theme(AboveHalfOfThem())
    alone = cast(Mapping[str, Mapping[str, Mapping[str, float]]], whole.facts["place"])["most_telling_alone"]
    assert whole.facts["n"] == 40 and alone["right"]["value"] == pytest.approx(0.5)
    assert "one_place_decides" not in [one.key for one in whole.findings]


def test_the_table_names_the_methods_and_the_controls(halves: Theme) -> None:
    rows = grid(halves.blocks, say("trust.zones.checks")).rows
    assert [row[5] for row in rows[4:]] == [say("trust.zones.control")] * 2 and len(rows) == 6


def test_models_of_many_answers_say_why_there_is_no_map() -> None:
    context = made_context(half_pictures([0]), [None], ["test"], task="label")
    structured = StructuredModelUnderTest(StubAdapter("words"), context.record, [0], 0)
    context = made_context(half_pictures([0]), [None], ["test"], task="label", structured=structured)
    found = explanations_theme(ThemeContext(run_context=context, subject=None, level="standard"))
    assert found.not_computed_because == say("trust.many.no_zones_words")
