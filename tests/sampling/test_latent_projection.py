"""Projection: what can be drawn is found, and the nearest of what was met is kept."""

import torch
from torch import Tensor

from capas.sampling.latent_projection import find_latent, image_distance

RNG = torch.Generator().manual_seed(0)
BASIS = torch.randn(3, 1, 8, 8, generator=RNG)
DRAWN = torch.randn(40, 3, generator=RNG)


def draw(latents: Tensor) -> Tensor:
    return torch.einsum("bn,nchw->bchw", latents, BASIS)


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def test_the_latent_of_an_image_is_found() -> None:
    latent = torch.tensor([1.5, -0.5, 0.3])
    found = find_latent(draw, DRAWN, draw(latent[None])[0], rng(), steps=120)
    torch.testing.assert_close(found, latent, rtol=0, atol=0.02)


def test_it_starts_from_the_nearest_and_never_ends_further_away() -> None:
    image = torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(2))
    distances = image_distance(draw(DRAWN), image[None])
    torch.testing.assert_close(find_latent(draw, DRAWN, image, rng(), steps=0), DRAWN[distances.argmin()])
    found = find_latent(draw, DRAWN, image, rng(), steps=3)
    assert float(image_distance(draw(found[None]), image[None])) <= float(distances.min())


def test_the_distance_is_seen_at_three_sizes() -> None:
    fine = torch.ones(1, 1, 8, 8)
    fine[..., ::2] = -1  # stripes that vanish at half the size
    assert image_distance(fine, torch.zeros(1, 1, 8, 8)).tolist() == [1]
    assert image_distance(torch.ones(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)).tolist() == [3]
