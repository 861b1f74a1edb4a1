"""Maps of numbers and tags: of a linear model they are exact, whether the number is larger than usual or smaller."""

from collections.abc import Mapping
from typing import cast

import pytest
import torch

from capas.core.spec import Field
from capas.engine.recipes.single_output.heads.numbers_head import NumbersHead
from capas.engine.recipes.single_output.heads.tags_head import TagsHead
from capas.metrics.conformal_regression import SplitConformal
from capas.objectives.regression import TargetScale
from capas.trust.rendering.blocks import ImageGallery
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Theme
from capas.trust.themes.explanations_regression_multilabel import output_explanations_theme
from tests.trust.made_models import Linearly, asked, half_pictures, images_reader, made_context, made_subject

N = 50
PICTURES = half_pictures([i % 2 for i in range(N)])
SPLITS = ["train"] * 20 + ["test"] * 30
LEFT = torch.cat([torch.ones(8, 4), -torch.ones(8, 4)], 1).flatten() / 32
LIGHTER = (torch.from_numpy(PICTURES.arrays).flatten(1).float() / 255 @ LEFT).tolist()


def numbers(interval: float | None) -> ModelUnderTest:
    """The number is by how much the left half is lighter: some 0.47 or −0.47, and of the mean picture nothing."""
    context = made_context(PICTURES, [(value,) for value in LIGHTER], SPLITS, task="regress", units=("cm",))
    conformal = [SplitConformal(level=0.9, quantile=interval, n=99)] if interval is not None else []
    scales = [TargetScale(mean=0.0, deviation=1.0)]
    head = NumbersHead([Field(name="target", kind="number", unit="cm")], scales, conformal)
    return made_subject(context, images_reader(Linearly(LEFT[None])), head)


def ask(subject: ModelUnderTest) -> Theme:
    assert subject.adapter.images is not None
    return output_explanations_theme(asked(subject), subject, subject.adapter.images)


def method(theme: Theme, name: str) -> Mapping[str, float]:
    return cast(Mapping[str, Mapping[str, float]], theme.facts["methods"])[name]


@pytest.fixture(scope="module")
def theme() -> Theme:
    return ask(numbers(0.1))


def test_what_moved_the_number_up_or_down_moves_it_back(theme: Theme) -> None:
    assert theme.facts["score"] == "spreads_from_mean_picture" and theme.facts["n"] == 30
    # At random half of 0.47 remains on average; the exact map does not only work for the half that is above.
    assert method(theme, "random")["deletion"] == pytest.approx(0.235, abs=0.02)
    found = method(theme, "integrated_gradients")
    assert found["deletion"] < 0.235 < found["insertion"] and found["reliable"]
    assert method(theme, "occlusion")["deletion"] < 0.24
    # What is taken from one is given to the other, for a score that is linear.
    assert found["deletion"] + found["insertion"] == pytest.approx(0.47, abs=0.02)
    assert method(theme, "brightness")["deletion"] > found["deletion"] - 1e-6


def test_numbers_are_shown_with_their_unit(theme: Theme) -> None:
    gallery = theme.blocks[1]
    assert isinstance(gallery, ImageGallery) and len(gallery.images) == 10
    for one in gallery.images:
        name, _, said = one.caption.partition(": ")
        value, _, unit = said.partition(" ")
        assert unit == "cm" and float(value) == pytest.approx(LIGHTER[int(name.removeprefix("pictures/"))], abs=1e-3)


def test_a_place_is_looked_for_where_something_says_what_is_right(theme: Theme) -> None:
    place = cast(Mapping[str, Mapping[str, Mapping[str, float]]], theme.facts["place"])
    # From one window alone the number stays near nothing.
    assert place["most_telling_alone"]["right"]["value"] == 0
    assert "one_place_decides" not in [one.key for one in theme.findings]
    assert ask(numbers(None)).facts["place"] is None


def test_of_tags_the_surest_is_explained_by_its_probability() -> None:
    labels = [(0,) if value > 0 else (1,) for value in LIGHTER]
    context = made_context(PICTURES, labels, SPLITS, task="tag", classes=("left", "right"))
    head = TagsHead(["left", "right"])
    subject = made_subject(context, images_reader(Linearly(torch.stack([10 * LEFT, -10 * LEFT]))), head)
    found = ask(subject)
    assert found.facts["score"] == "probability"
    # From σ(4.7) with the whole picture to σ(0) with the mean of the training pictures.
    exact, chance = method(found, "integrated_gradients"), method(found, "random")
    assert 0.5 < exact["deletion"] < chance["deletion"] < 0.99 and exact["insertion"] > chance["insertion"]
    gallery = found.blocks[1]
    assert isinstance(gallery, ImageGallery)
    assert all(one.caption.endswith((": left 99 %", ": right 99 %")) for one in gallery.images)
