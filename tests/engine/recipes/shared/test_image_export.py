"""Exported image networks take bytes: normalisation is inside."""

import torch
from torch import nn

from capas.data.image.preprocess import ImagePreprocessing
from capas.engine.recipes.shared.image_export import exportable_images

PREPARATION = ImagePreprocessing(height=4, width=6, channels=3, mean=(0.2, 0.4, 0.6), std=(0.1, 0.2, 0.4))


def test_bytes_go_in_and_are_normalised() -> None:
    found = exportable_images(nn.Identity(), PREPARATION, [])
    picture = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 4, 6)
    answer = found.network(picture)
    # (0 − 0.2) / 0.1, (0.2 − 0.4) / 0.2, (1 − 0.6) / 0.4.
    torch.testing.assert_close(answer[0, :, 1, 2], torch.tensor([-2.0, -1.0, 1.0]))
    (taken,) = found.inputs
    assert taken.name == "pictures" and taken.axes == ("batch", 3, 4, 6)
    assert taken.example.dtype == torch.uint8 and taken.example.shape == (2, 3, 4, 6)
    assert found.facts == {"preparation": PREPARATION.as_json()}


def test_it_is_compared_on_the_user_s_pictures_or_on_noise() -> None:
    noisy = exportable_images(nn.Identity(), PREPARATION, [])
    assert noisy.count == 16 and noisy.compared[0][0].shape == (16, 3, 4, 6)
    pictures = [torch.full((3, 4, 6), value, dtype=torch.uint8) for value in (7, 9, 11)]
    given = exportable_images(nn.Identity(), PREPARATION, pictures)
    assert given.count == 3 and given.compared[0][0][:, 0, 0, 0].tolist() == [7, 9, 11]
