"""The decoder paints images of the size that is asked for, whatever it is."""

import pytest
import torch

from capas.networks.representation.image_decoder import ImageDecoder


@pytest.mark.parametrize(("height", "width"), [(3, 9), (8, 8), (28, 30), (33, 100)])
def test_images_have_the_size_that_is_asked_for(height: int, width: int) -> None:
    decoder = ImageDecoder(5, channels=2, height=height, width=width)
    assert decoder(torch.randn(2, 5)).shape == (2, 2, height, width)


def test_it_starts_from_four_pixels() -> None:
    decoder = ImageDecoder(5, channels=3, height=32, width=64)
    assert decoder.smallest == (4, 8) and len(decoder.stages) == 3 and decoder.paint.in_channels == 16
