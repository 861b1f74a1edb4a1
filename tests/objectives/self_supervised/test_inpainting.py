"""Inpainting: what is hidden stays hidden, only that counts, and it learns."""

import pytest
import torch
from torch import Tensor, nn

from capas.networks.representation.image_decoder import ImageDecoder
from capas.objectives.self_supervised.inpainting import Inpainting, Region, hidden_error, hidden_region
from tests.objectives.self_supervised.toys import FEATURES, Images, check_contract, context, encoder, falls, learn
from tests.objectives.self_supervised.toys import shapes as slopes

BATCH = Images(inputs=slopes(6))


def make(region: Region = "blocks") -> Inpainting:
    return Inpainting(encoder(), ImageDecoder(FEATURES, channels=1, height=8, width=8), region=region)


@pytest.mark.parametrize("region", ["centre", "blocks"])
def test_it_keeps_the_contract(region: Region) -> None:
    check_contract(make(region), lambda: make(region), BATCH)


def test_the_centre_is_a_quarter_of_the_image() -> None:
    hidden = hidden_region(2, 8, 12, "centre", context())
    expected = torch.zeros(8, 12, dtype=torch.bool)
    expected[2:6, 3:9] = True
    assert torch.equal(hidden, expected.expand(2, 1, 8, 12))


def test_blocks_lie_anywhere_and_elsewhere_in_each_image() -> None:
    hidden = hidden_region(200, 8, 12, "blocks", context())[:, 0]
    areas = hidden.sum((1, 2))
    assert areas.min() >= 2 * 3 and areas.max() <= 4 * 2 * 3 and areas.max() > 18
    assert hidden.float().mean(0).min() > 0.02, "every pixel has its turn"
    assert len(torch.unique(hidden.flatten(1), dim=0)) > 190


def test_the_encoder_does_not_see_what_it_is_asked_for() -> None:
    seen: list[Tensor] = []

    class Recorder(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(images)
            return images

    images = torch.randn(3, 2, 8, 8) + 5
    objective = Inpainting(Recorder(), nn.Identity(), region="centre")
    loss = objective.losses(Images(inputs=images), objective.phases[0], context())["loss"]
    hidden = hidden_region(3, 8, 8, "centre", context())
    assert torch.equal(seen[0], torch.where(hidden, 0.0, images))
    # The decoder hands back what the encoder saw: the error is that of painting zeros.
    torch.testing.assert_close(loss, images[:, :, 2:6, 2:6].square().mean())


def test_visible_pixels_do_not_count() -> None:
    hidden = torch.tensor([[[[True, False]]]])
    assert hidden_error(torch.tensor([[[[1.0, 9.0]]]]), torch.zeros(1, 1, 1, 2), hidden).item() == 1.0


def test_it_learns() -> None:
    assert falls(learn(make("centre"), BATCH, rate=1e-2), 0.7)
