"""A picture whose pixels lie just above or below what the model calls light: which changes turn them is known."""

import numpy as np
import torch
from numpy.typing import NDArray

from capas.engine.recipe import Item
from capas.trust.attacks.single_input_segmentation import SegmentationAttacker
from tests.trust.made_models import light_predictor

EPS = 0.06


def picture() -> NDArray[np.uint8]:
    """A quarter of the pixels each at 0.3, 0.45, 0.55 and 0.7 (the border is 0.5)."""
    levels = np.array([0.3, 0.45, 0.55, 0.7]).repeat(16).reshape(8, 8, 1)
    pixels: NDArray[np.uint8] = (255 * levels).round().astype(np.uint8)
    return pixels


def attacker(target: int | None = None, eps: float = EPS) -> SegmentationAttacker:
    return SegmentationAttacker(light_predictor(), eps=eps, target=target, rng=torch.Generator().manual_seed(0))


def test_pixels_within_reach_of_the_border_are_turned_and_no_others() -> None:
    found = attacker().attack(Item(name="p.png", content=picture()))
    assert found.share == 0.5 and found.fooled and found.facts["changed_answer"] == 0.5
    assert found.before.facts["shares"] == {"light": 0.5, "dark": 0.5} == found.after.facts["shares"]
    largest = found.facts["largest_change"]
    assert isinstance(largest, float) and 0.05 < largest <= EPS + 1e-6
    # Noise of the same size turns each of these only where its sign happens to be the wrong one.
    by_noise = found.facts["changed_answer_by_noise"]
    assert isinstance(by_noise, float) and 0.1 < by_noise < 0.4
    assert set(found.files) == {".attacked.png", ".change.png", ".answer.png"}


def test_towards_a_class_only_the_others_have_to_move() -> None:
    found = attacker(target=1).attack(Item(name="p.png", content=picture()))
    assert found.share == 0.75 and found.after.facts["shares"] == {"light": 0.75, "dark": 0.25}
    assert attacker(target=0).attack(Item(name="p.png", content=picture())).share == 0.75


def test_no_change_changes_nothing() -> None:
    found = attacker(eps=0.0).attack(Item(name="p.png", content=picture()))
    assert found.share == 0 and not found.fooled and found.before.facts == found.after.facts
    assert found.facts["changed_share"] == 0
    # Where even an attack without limits would start from nothing, the checks say nothing against it.
    assert found.facts["self_check"] == []
