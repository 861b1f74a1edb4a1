"""A quick network tells halves apart that it has not been shown, and the same seed gives the same network."""

import pytest
import torch

from capas.trust.label_quality.small_cnn import fit_predict_small_cnn, standardized_images
from tests.trust.made_models import half_pictures

LABELS = torch.arange(96) % 2
PICTURES = torch.from_numpy(half_pictures(LABELS.tolist()).arrays).permute(0, 3, 1, 2).float() / 255


def test_pictures_are_brought_to_one_size_mean_and_spread() -> None:
    found = standardized_images(PICTURES)
    assert found.shape == (96, 1, 28, 28)
    assert float(found.mean()) == pytest.approx(0, abs=1e-5) and float(found.std()) == pytest.approx(1, abs=1e-5)
    # All together: what is lighter than another stays so, and lightness and contrast of the set do not matter.
    torch.testing.assert_close(standardized_images(PICTURES / 2 + 0.3), found, atol=1e-4, rtol=1e-4)
    sized = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(standardized_images(sized), (sized - sized.mean()) / sized.std())
    assert not standardized_images(torch.full((2, 1, 28, 28), 0.5)).any()


def test_held_out_pictures_are_told_apart_and_the_seed_decides() -> None:
    images, learn, held = standardized_images(PICTURES), torch.arange(64), 95 - torch.arange(32)
    state = torch.get_rng_state()

    def predicted(seed: int, labels: torch.Tensor = LABELS) -> torch.Tensor:
        return fit_predict_small_cnn(images, labels, 2, learn, held, torch.Generator().manual_seed(seed))

    found = predicted(0)
    torch.testing.assert_close(found.sum(1), torch.ones(32))
    assert (found.argmax(1) == LABELS[held]).all()
    assert torch.equal(torch.get_rng_state(), state)  # the global stream is left as it was
    # Neither the labels nor the pictures of the held-out fold are used.
    others = LABELS.clone()
    others[held] = 0
    assert torch.equal(predicted(0, others), found) and not torch.equal(predicted(1), found)
