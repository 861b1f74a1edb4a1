"""Numbers and tags under attack: of a linear model it is known by how much each size moves its output."""

from collections.abc import Mapping, Sequence
from typing import cast

import pytest
import torch

from capas.core.spec import Field
from capas.engine.recipes.single_output.heads.numbers_head import NumbersHead
from capas.engine.recipes.single_output.heads.tags_head import TagsHead
from capas.metrics.conformal_regression import SplitConformal
from capas.objectives.regression import TargetScale
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Theme
from capas.trust.themes.attacks_regression_multilabel import output_attacks_theme
from tests.trust.made_models import Linearly, asked, half_pictures, images_reader, made_context, made_subject

N = 40
PICTURES = half_pictures([i % 2 for i in range(N)])
# What the left half is lighter than the right one; each size moves it by twice that size at most.
LEFT = torch.cat([torch.ones(8, 4), -torch.ones(8, 4)], 1).flatten() / 32
LIGHTER = (torch.from_numpy(PICTURES.arrays).flatten(1).float() / 255 @ LEFT).tolist()


def numbers(interval: float | None, *, scale: float = 1.0, deviation: float = 1.0) -> ModelUnderTest:
    """The number is by how much the left half is lighter, in units of 1 / ``deviation``: each is nearly exact.

    An exact one has no gradient, as its squared error is at its least.
    """
    context = made_context(
        PICTURES, [(deviation * (scale * value + 1e-3),) for value in LIGHTER], ["test"] * N, task="regress"
    )
    conformal = [SplitConformal(level=0.9, quantile=interval, n=99)] if interval is not None else []
    head = NumbersHead([Field(name="target", kind="number")], [TargetScale(mean=0.0, deviation=deviation)], conformal)
    return made_subject(context, images_reader(Linearly(scale * LEFT[None])), head)


def right(theme: Theme, way: str) -> list[float]:
    after = cast(Mapping[str, Sequence[Mapping[str, float]]], theme.facts["right_after"])
    return [one["value"] for one in after[way]]


def ask(subject: ModelUnderTest) -> Theme:
    assert subject.adapter.images is not None
    return output_attacks_theme(asked(subject), subject, subject.adapter.images)


def test_a_number_is_right_until_it_leaves_its_interval() -> None:
    # Sizes of 0.0078, 0.0314 and 0.1 move it by 0.016, 0.063 and 0.2 in one step, from a random start a little less.
    found = ask(numbers(0.04))
    assert right(found, "pgd") == right(found, "fgsm") == [1.0, 0.0, 0.0]
    assert right(found, "noise")[:2] == [1.0, 1.0]
    assert [one.key for one in found.findings] == ["fragile"] and found.facts["right_means"] == "inside_interval"
    assert found.facts["self_check"] == {"failures": [], "n": N} and found.facts["n"] == N
    wide = ask(numbers(0.25))
    assert right(wide, "pgd") == [1.0, 1.0, 1.0] and not wide.findings


def test_intervals_are_in_the_user_s_unit() -> None:
    assert right(ask(numbers(4.0, deviation=100.0)), "pgd") == right(ask(numbers(0.04)), "pgd")


def test_numbers_without_an_interval_are_not_attacked() -> None:
    for interval in (None, float("inf")):
        found = ask(numbers(interval))
        assert found.status == "not_computed" and "interval" in str(found.not_computed_because)


def test_an_output_without_a_gradient_forbids_a_verdict() -> None:
    found = ask(numbers(0.05, scale=0.0))
    assert [one.key for one in found.findings] == ["attacks_not_valid"] and found.status == "problem"
    assert found.facts["self_check"] == {"failures": ["vanishing_gradients"], "n": N}


@pytest.mark.parametrize(("threshold", "expected"), [(0.5, [1.0, 1.0, 1.0]), (0.97, [1.0, 1.0, 0.5])])
def test_tags_are_right_until_one_passes_its_threshold(threshold: float, expected: list[float]) -> None:
    """One tag, probability σ(10 · lighter): some 0.991, with the second size 0.985, with the largest 0.95."""
    labels = [(0,) if value > 0 else () for value in LIGHTER]
    context = made_context(PICTURES, labels, ["test"] * N, task="tag", classes=("left",))
    subject = made_subject(context, images_reader(Linearly(10 * LEFT[None])), TagsHead(["left"], [threshold]))
    found = ask(subject)
    assert right(found, "pgd") == expected and found.facts["right_means"] == "same_tags"
