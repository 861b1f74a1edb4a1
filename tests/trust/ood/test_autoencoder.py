"""The autoencoder learns what the training pictures share, and shows where a picture departs from it."""

import pytest
import torch
from safetensors.torch import load, save

from capas.trust.ood import autoencoder
from capas.trust.ood.autoencoder import ReconstructionScore, working_size


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bars(n: int, seed: int, size: tuple[int, int] = (28, 28), channels: int = 1) -> torch.Tensor:
    """Soft upright bars at random places: a family with one degree of freedom."""
    height, width = size
    place = torch.rand(n, 1, 1, 1, generator=rng(seed)) * 0.6 + 0.2
    across = torch.linspace(0, 1, width).expand(n, channels, height, width)
    return (-((across - place) / 0.08).square()).exp()


@pytest.fixture(scope="module")
def fitted() -> ReconstructionScore:
    torch.set_num_threads(1)
    held, autoencoder.WORK = autoencoder.WORK, 600 * 28 * 28 * 30  # type: ignore[misc]
    model = ReconstructionScore.fit(bars(600, 0), rng())
    autoencoder.WORK = held  # type: ignore[misc]
    return model


def test_other_pictures_are_drawn_worse(fitted: ReconstructionScore) -> None:
    usual, lying = fitted.reconstruct(bars(60, 1)), fitted.reconstruct(bars(60, 1).transpose(2, 3))
    noise = fitted.reconstruct(torch.rand(60, 1, 28, 28, generator=rng()))
    for other in (lying, noise):
        assert other.dissimilarity.min() > usual.dissimilarity.max()
        assert other.mean_absolute_error.min() > usual.mean_absolute_error.max()


def test_a_planted_defect_is_where_the_map_is_hottest(fitted: ReconstructionScore) -> None:
    pictures, places = bars(60, 2), torch.randint(0, 24, (60, 2), generator=rng(3)).tolist()
    shares = []
    for i, (y, x) in enumerate(places):
        pictures[i, 0, y : y + 5, x : x + 5] = torch.rand(5, 5, generator=rng(i))
    for heat, (y, x) in zip(fitted.reconstruct(pictures).heatmap, places, strict=True):
        hottest = heat >= heat.flatten().topk(78).values[-1]
        shares.append(float(hottest[y : y + 5, x : x + 5].float().mean()))
    assert sum(share > 0.5 for share in shares) >= 54


def test_batched_is_single_and_loaded_is_saved(fitted: ReconstructionScore) -> None:
    pictures = bars(7, 4)
    whole, again = (
        fitted.reconstruct(pictures),
        ReconstructionScore.from_tensors(load(save(fitted.tensors()))).reconstruct(pictures),
    )
    single = fitted.reconstruct(pictures, batch=1)
    for name in ("dissimilarity", "mean_absolute_error", "heatmap"):
        assert torch.equal(getattr(again, name), getattr(whole, name))
        assert torch.allclose(getattr(single, name), getattr(whole, name), atol=1e-5)
    assert torch.allclose(whole.mean_absolute_error, (pictures - fitted.network(pictures)).abs().mean((1, 2, 3)))


@pytest.mark.parametrize(("size", "channels"), [((8, 8), 1), ((40, 130), 3), ((33, 20), 3)])
def test_any_size_and_channels_give_maps_of_their_own_size(
    size: tuple[int, int], channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoencoder, "WORK", 1)
    monkeypatch.setattr(autoencoder, "MIN_STEPS", 4)
    pictures = bars(12, 0, size, channels)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    model = ReconstructionScore.fit(pictures, rng())
    assert torch.equal(torch.random.get_rng_state(), before)
    found = model.reconstruct(pictures)
    assert found.heatmap.shape == (12, *size) and found.dissimilarity.shape == (12,)
    assert torch.equal(ReconstructionScore.fit(pictures, rng()).reconstruct(pictures).heatmap, found.heatmap)
    height, width = working_size(*size)
    assert min(height, width) >= 16 and max(height, width) <= 64


def test_no_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        ReconstructionScore.fit(torch.zeros(0, 1, 28, 28), rng())
