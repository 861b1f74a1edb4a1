"""The bound in bits per number: never below the entropy of data whose perfect model is known, and its terms by hand."""

import math

import pytest
import torch
from torch import Tensor

from capas.sampling.diffusion.noise_schedule import NoiseSchedule, linear_schedule
from capas.sampling.diffusion.prediction import DenoisingModel
from capas.sampling.diffusion.variational_bound import variational_bound

LINEAR = linear_schedule(200)


def perfect(levels: Tensor, probabilities: Tensor) -> DenoisingModel:
    """E[x_0 | x_t] of numbers that are ``levels`` with the ``probabilities``, each by itself."""

    def denoise(noisy: Tensor, times: Tensor) -> Tensor:
        signal, noise = LINEAR.scales(times, noisy)
        distances = (noisy[..., None] - signal[..., None] * levels) / noise[..., None]
        return (probabilities.log() - distances.square() / 2).softmax(-1) @ levels

    return DenoisingModel(denoise=denoise, schedule=LINEAR, predicts="x0", clip=1.0)


def drawn(levels: Tensor, probabilities: Tensor, count: int) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return levels[torch.multinomial(probabilities, count * 4, replacement=True, generator=rng)].reshape(count, 4)


@pytest.mark.parametrize(
    ("places", "bits"),
    [([0, 255], 1.0), ([20, 90, 160, 230], 2.0)],
)
def test_it_is_above_the_entropy_and_near_it_for_a_perfect_model(places: list[int], bits: float) -> None:
    levels = torch.linspace(-1, 1, 256)[places]
    probabilities = torch.full((len(places),), 1 / len(places))
    model, clean = perfect(levels.double(), probabilities.double()), drawn(levels, probabilities, 200).double()
    rng = torch.Generator().manual_seed(1)
    found = variational_bound(model, clean, rng)
    # What is learnt on the way is the entropy; 200 steps cost a little. At the end the level is known, but the fixed
    # variance spreads over its neighbours (of which the outermost levels have one).
    assert bits < float(found.transitions.mean()) < bits + 0.35
    alpha_bar = LINEAR.alpha_bar
    deviation = ((1 - alpha_bar[1] / alpha_bar[0]) * (1 - alpha_bar[0]) / (1 - alpha_bar[1])).sqrt()
    inside = torch.special.ndtr(1 / 255 / deviation)
    last = inside if bits == 1 else 2 * inside - 1
    assert float(found.reconstruction.mean()) == pytest.approx(-float(last.log2()), abs=0.01)
    assert found.kind == "bound" and found.bits_per_dim.shape == (200,)
    mean = float(found.bits_per_dim.mean())
    estimated = variational_bound(model, clean, rng, evaluations=50)
    assert float(estimated.bits_per_dim.mean()) == pytest.approx(mean, abs=0.2)
    ignorant = DenoisingModel(denoise=lambda x, t: torch.zeros_like(x), schedule=LINEAR, predicts="x0", clip=1.0)
    assert float(variational_bound(ignorant, clean, rng).bits_per_dim.mean()) > mean + 1


def test_the_terms_by_hand() -> None:
    schedule = NoiseSchedule(alpha_bar=torch.tensor([0.9, 0.5], dtype=torch.float64))
    model = DenoisingModel(denoise=lambda x, t: torch.full_like(x, 0.1), schedule=schedule, predicts="x0")
    clean = torch.tensor([[1.0], [64 / 127.5 - 1]], dtype=torch.float64)
    found = variational_bound(model, clean, torch.Generator().manual_seed(0), variance="large")
    kept = 0.5 / 0.9
    beta = 1 - kept
    small = beta * 0.1 / 0.5
    weight = math.sqrt(0.9) * beta / 0.5
    ratio = small / beta
    divergence = ((weight * (clean - 0.1)).square() / beta + ratio - 1 - math.log(ratio)) / 2
    torch.testing.assert_close(found.transitions, divergence[:, 0] / math.log(2))
    prior = (0.5 * clean.square() + 0.5 - 1 - math.log(0.5)) / 2
    torch.testing.assert_close(found.prior, prior[:, 0] / math.log(2))
    normal = torch.distributions.Normal(*torch.tensor([0.1, math.sqrt(small)], dtype=torch.float64))
    half = 1 / 255
    middle = normal.cdf(clean[1, 0] + half) - normal.cdf(clean[1, 0] - half)
    by_hand = torch.stack([1 - normal.cdf(clean[0, 0] - half), middle])
    torch.testing.assert_close(found.reconstruction, -by_hand.log2(), rtol=1e-9, atol=1e-9)


def test_probabilities_of_all_levels_sum_to_one() -> None:
    schedule = NoiseSchedule(alpha_bar=torch.tensor([0.9999, 0.5], dtype=torch.float64))
    model = DenoisingModel(denoise=lambda x, t: torch.full_like(x, -0.7), schedule=schedule, predicts="x0")
    levels = torch.linspace(-1, 1, 256, dtype=torch.float64)[:, None]
    found = variational_bound(model, levels, torch.Generator().manual_seed(0))
    assert float((2**-found.reconstruction).sum()) == pytest.approx(1, abs=1e-9)
    assert bool(found.reconstruction.isfinite().all())


def test_a_number_of_evaluations_that_cannot_be() -> None:
    model = DenoisingModel(denoise=lambda x, t: x, schedule=LINEAR)
    for evaluations in (1, 201):
        with pytest.raises(ValueError, match=f"{evaluations} evaluations"):
            variational_bound(model, torch.zeros(1, 1), torch.Generator(), evaluations=evaluations)
