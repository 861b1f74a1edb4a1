"""Completing and redrawing by diffusion, on points whose distribution is known."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from capas.sampling.diffusion.diffusion_editing import image_to_image, inpaint, repaint_positions
from capas.sampling.diffusion.noise_schedule import linear_schedule
from capas.sampling.diffusion.prediction import DenoisingModel
from capas.sampling.diffusion.solvers import SOLVERS, AncestralSolver, DDIMSolver, DiffusionStep
from capas.sampling.noise import sample_generators

LINEAR = linear_schedule()
CORRELATION = 0.8
COVARIANCE = torch.tensor([[1.0, CORRELATION], [CORRELATION, 1.0]])


def correlated(noisy: Tensor, times: Tensor) -> Tensor:
    """E[ε | x_t] of pairs that are normal with a correlation of 0.8; all have the same time."""
    signal, noise = LINEAR.signal_and_noise(float(times[0]))
    return noise * noisy @ torch.linalg.inv(signal**2 * COVARIANCE + noise**2 * torch.eye(2))


MODEL = DenoisingModel(denoise=correlated, schedule=LINEAR)
KNOWN = torch.tensor([True, False])


def test_what_is_known_stays_and_the_rest_follows_it() -> None:
    pairs = torch.tensor([[1.5, 9.0]]).expand(400, 2)

    def error(resamplings: int) -> float:
        rngs = sample_generators(0, 400)
        found = inpaint(MODEL, AncestralSolver(), pairs, KNOWN, rngs, 20, jump=2, resamplings=resamplings)
        assert torch.equal(found[:, 0], pairs[:, 0])
        assert float(found[:, 1].std()) == pytest.approx(0.6, abs=0.1)
        return abs(float(found[:, 1].mean()) - CORRELATION * 1.5)

    # Given 1.5, the other is N(0.8 · 1.5, 1 − 0.8²). It comes near; without going back it knows less of what is put in
    # beside it (the paper's Figure 3).
    assert error(4) < 0.25 and error(1) > 0.4


@pytest.mark.parametrize("name", SOLVERS)
def test_any_sampler_completes_and_one_sample_does_not_depend_on_others(name: str) -> None:
    solver = SOLVERS[name]  # type: ignore[index]
    pairs = torch.tensor([[0.5, 0.0], [-1.0, 0.0]])
    both = inpaint(MODEL, solver, pairs, KNOWN, sample_generators(3, 2), 6, jump=2, resamplings=2)
    second = inpaint(MODEL, solver, pairs[1:], KNOWN, sample_generators(3, 1, first=1), 6, jump=2, resamplings=2)
    torch.testing.assert_close(both[1:], second)
    assert bool(both.isfinite().all()) and torch.equal(both[:, 0], pairs[:, 0])


def test_positions_of_the_paper() -> None:
    way = repaint_positions(250, jump=10, resamplings=10)
    # Appendix B: at 24 places 9 times 10 steps back, which are gone anew: 250 + 24 · 9 · 20 single steps.
    assert way[0] == 250 and way[-1] == 0
    moves = [b - a for a, b in pairwise(way)]
    assert sorted(set(moves)) == [-1, 10] and moves.count(10) == 24 * 9 and sum(map(abs, moves)) == 4570
    assert way.count(1) == 10 and way.count(250) == 1
    assert repaint_positions(5, jump=10, resamplings=10) == [5, 4, 3, 2, 1, 0]
    for jump, resamplings in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="expected 1 or more of each"):
            repaint_positions(5, jump=jump, resamplings=resamplings)


def test_the_more_is_drawn_anew_the_less_of_the_image_is_left() -> None:
    pairs = torch.tensor([[2.0, 2.0]]).expand(500, 2)

    def left(strength: float) -> tuple[float, float]:
        found = image_to_image(MODEL, DDIMSolver(), pairs, sample_generators(0, 500), 20, strength=strength)
        return float(found.mean()), float((found - pairs).square().mean().sqrt())

    (little, near), (half, _), (none, far) = map(left, (0.1, 0.5, 1.0))
    assert little > half > none and near < 0.5 < far
    assert little == pytest.approx(2, abs=0.15) and none == pytest.approx(0, abs=0.15)
    for strength in (0.0, 1.1, math.nan):
        with pytest.raises(ValueError, match="strength"):
            left(strength)


def test_after_going_back_a_sampler_remembers_nothing_of_the_step_before() -> None:
    seen: list[tuple[float, float | None]] = []

    class Watched(DDIMSolver):
        def step(
            self, model: DenoisingModel, at: DiffusionStep, time: float, following: float, draw: Callable[[], Tensor]
        ) -> DiffusionStep:
            seen.append((time, at.time))
            return super().step(model, at, time, following, draw)

    inpaint(MODEL, Watched(), torch.zeros(1, 2), KNOWN, sample_generators(0, 1), 4, jump=2, resamplings=2)
    assert seen == [
        (999, None), (749, 999), (499, 749),
        (749, None), (499, 749), (249, 499),
    ]  # fmt: skip
