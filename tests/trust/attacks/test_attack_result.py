"""What an attack did: fooled or not, by how much, and as pictures that show it."""

import io

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from capas.data.image.io import encode_png
from capas.engine.recipe import Prediction
from capas.trust.attacks.attack_result import AttackResult, perturbation_facts, perturbation_images


def result(after: str, share: float | None = None, noise: Prediction | None = None) -> AttackResult:
    before = Prediction(input="a.png", prediction="cat", probability=0.9)
    changed = Prediction(input="a.png", prediction=after, probability=0.6)
    return AttackResult(before=before, after=changed, noise=noise, facts={"changed_share": 0.5}, share=share)


def test_another_answer_fools_and_of_a_mask_half_of_the_pixels() -> None:
    assert result("dog").fooled and not result("cat").fooled
    # Of a mask it does not matter which classes occur.
    assert result("cat", share=0.5).fooled and not result("dog", share=0.499).fooled


def test_json_says_what_was_answered_when() -> None:
    assert result("dog").as_json() == {
        "input": "a.png",
        "fooled": True,
        "before": {"prediction": "cat", "probability": 0.9},
        "after": {"prediction": "dog", "probability": 0.6},
        "noise": None,
        "changed_share": 0.5,
    }
    noise = Prediction(input="a.png", prediction="cat", probability=0.8)
    assert result("dog", noise=noise).as_json()["noise"] == {"prediction": "cat", "probability": 0.8}


def test_changes_are_counted_whatever_their_sign() -> None:
    x = torch.full((1, 1, 2, 2), 0.5)
    changed = x + torch.tensor([[0.1, -0.3], [0.0, 0.0]])
    assert perturbation_facts(x, changed) == {"largest_change": 0.3, "mean_change": 0.1, "changed_share": 0.5}
    assert perturbation_facts(x, x) == {"largest_change": 0.0, "mean_change": 0.0, "changed_share": 0.0}


def decoded(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize(("eps", "times"), [(0.02, 10.0), (0.1, 5.0), (0.5, 1.0)])
def test_the_change_is_shown_on_grey_magnified_as_far_as_it_fits(eps: float, times: float) -> None:
    x = torch.full((1, 1, 1, 3), 0.45)
    files = perturbation_images(x, x + torch.tensor([0.0, eps, -eps]), eps)
    shown = [round(255 * value) for value in (0.5, 0.5 + times * eps, 0.5 - times * eps)]
    assert np.abs(decoded(files[".change.png"])[0].astype(int) - shown).max() <= 1
    attacked = [round(255 * max(0.0, value)) for value in (0.45, 0.45 + eps, 0.45 - eps)]
    assert decoded(files[".attacked.png"])[0].tolist() == attacked


def test_png_is_lossless() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(decoded(encode_png(picture)), picture)
