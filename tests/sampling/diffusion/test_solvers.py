"""Schedules of noise and every step of every sampler against diffusers', and what is our own."""

import math
from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from capas.sampling.diffusion.diffusion_sampler import denoise_from, draw_by_diffusion
from capas.sampling.diffusion.noise_schedule import (
    CLEAN,
    NoiseSchedule,
    cosine_schedule,
    linear_schedule,
    noise_schedule,
)
from capas.sampling.diffusion.prediction import DenoisingModel, guided, prediction_target
from capas.sampling.diffusion.solvers import (
    SOLVERS,
    AncestralSolver,
    DDIMSolver,
    DiffusionSolver,
    DiffusionStep,
    DPMSolver2M,
    HeunSolver,
)
from capas.sampling.noise import sample_generators
from tests.harness import FIXTURES

RECORDED = load_file(FIXTURES / "generation" / "diffusion_steps.safetensors")
LINEAR, COSINE = linear_schedule(), cosine_schedule()


def formula(noisy: Tensor, times: Tensor) -> Tensor:
    """Stands for a network; the reference had the same."""
    return torch.tanh(0.7 * noisy + 0.001 * times.double()[:, None]) + 0.1 * noisy.flip(-1)


def test_schedules_equal_diffusers() -> None:
    for name, schedule in (("linear", LINEAR), ("cosine", COSINE)):
        # Theirs is float32.
        torch.testing.assert_close(schedule.alpha_bar.float(), RECORDED[f"alpha_bar.{name}"], rtol=1e-5, atol=1e-9)
    assert torch.equal(noise_schedule("cosine", 7).alpha_bar, cosine_schedule(7).alpha_bar)


def test_a_shorter_linear_schedule_ends_at_about_the_same_noise() -> None:
    assert linear_schedule(250).sigma(249) == pytest.approx(LINEAR.sigma(999), rel=0.15)
    with pytest.raises(ValueError, match="21 or more"):
        linear_schedule(20)


def test_times_between_steps() -> None:
    table = COSINE.alpha_bar.logit()
    found = COSINE.log_snr(torch.tensor([3.0, 3.25, 999.0]))
    torch.testing.assert_close(found, torch.stack([table[3], 0.75 * table[3] + 0.25 * table[4], table[999]]))
    assert COSINE.time_of_sigma(COSINE.sigma(123.4)) == pytest.approx(123.4)
    assert COSINE.time_of_sigma(1e9) == 999 and COSINE.time_of_sigma(1e-9) == 0
    assert COSINE.signal_and_noise(CLEAN) == (1.0, 0.0)
    for time in (-0.5, 999.5):
        with pytest.raises(ValueError, match="expected 0 to 999"):
            COSINE.signal_and_noise(time)
    with pytest.raises(ValueError, match="strictly"):
        NoiseSchedule(alpha_bar=torch.tensor([0.5, 0.5]))


def test_noise_is_added_as_the_schedule_says() -> None:
    clean, noise = torch.ones(2, 3), torch.full((2, 3), 2.0)
    found = LINEAR.add_noise(clean, noise, torch.tensor([0.0, 999.0]))
    kept = RECORDED["alpha_bar.linear"][[0, 999]].double()
    torch.testing.assert_close(found[:, 0].double(), kept.sqrt() + 2 * (1 - kept).sqrt(), rtol=1e-5, atol=1e-6)


EPSILON = DenoisingModel(denoise=formula, schedule=LINEAR)
CLIPPED = DenoisingModel(denoise=formula, schedule=COSINE, clip=1.0)


@pytest.mark.parametrize(
    ("name", "model", "solver"),
    [
        ("ddpm.small", EPSILON, AncestralSolver()),
        ("ddpm.large", EPSILON, AncestralSolver(variance="large")),
        ("ddpm.clipped", CLIPPED, AncestralSolver()),
        ("ddim.0.0", EPSILON, DDIMSolver()),
        ("ddim.0.5", EPSILON, DDIMSolver(eta=0.5)),
        ("ddim.clipped", CLIPPED, DDIMSolver()),
        ("ddim.v", DenoisingModel(denoise=formula, schedule=COSINE, predicts="v"), DDIMSolver()),
        ("ddim.x0", DenoisingModel(denoise=formula, schedule=COSINE, predicts="x0"), DDIMSolver()),
        ("dpm.epsilon", EPSILON, DPMSolver2M()),
        ("dpm.v", DenoisingModel(denoise=formula, schedule=LINEAR, predicts="v"), DPMSolver2M()),
    ],
)
def test_every_step_equals_diffusers(name: str, model: DenoisingModel, solver: DiffusionSolver) -> None:
    times, expected = [*RECORDED[f"{name}.times"].tolist(), CLEAN], RECORDED[f"{name}.x"]
    assert times == solver.times(model.schedule, 8) or name == "ddpm.large"  # the reference wants an end at 0
    noise: Iterator[Tensor] = iter(RECORDED.get(f"{name}.noise", torch.empty(0)))
    at = DiffusionStep(noisy=expected[0])
    for number in range(8):
        at = solver.step(model, at, times[number], times[number + 1], lambda: next(noise))
        torch.testing.assert_close(at.noisy, expected[number + 1], rtol=1e-5, atol=1e-5)


def test_heun_equals_diffusers() -> None:
    solver, expected, sigmas = HeunSolver(max_sigma=math.inf), RECORDED["heun.x"], RECORDED["heun.sigmas"]
    times = solver.times(LINEAR, 6)
    assert times[:-1] == pytest.approx(RECORDED["heun.times"][[0, *range(1, 11, 2)]].tolist(), abs=0.05)
    at = DiffusionStep(noisy=expected[0])
    for number in range(6):
        at = solver.step(EPSILON, at, times[number], times[number + 1], lambda: torch.empty(0))
        signal = (1 / (sigmas[number + 1] ** 2 + 1)).sqrt()  # theirs is x / √ᾱ
        reference = signal * expected[min(11, 2 * number + 2)]
        # Theirs is as large as 157, in float32.
        torch.testing.assert_close(at.noisy, reference, rtol=1e-4, atol=1e-4)


def test_heun_does_not_begin_where_there_is_no_signal() -> None:
    times = HeunSolver().times(COSINE, 5)
    assert COSINE.sigma(999) > 10_000 and COSINE.sigma(times[0]) == pytest.approx(80)
    assert times[-2:] == [0.0, CLEAN]


def test_one_prediction_becomes_another() -> None:
    clean, noise = torch.randn(4, 3).double(), torch.randn(4, 3).double()
    signal, deviation = LINEAR.signal_and_noise(600)
    noisy = signal * clean + deviation * noise
    for kind in ("epsilon", "v", "x0"):
        target = prediction_target(kind, clean, noise, torch.tensor(signal), torch.tensor(deviation))  # type: ignore[arg-type]
        model = DenoisingModel(denoise=lambda x, t, told=target: told, schedule=LINEAR, predicts=kind)  # type: ignore[misc, arg-type]
        found = model.estimate(noisy, 600)
        torch.testing.assert_close(found.clean, clean)
        torch.testing.assert_close(found.noise, noise)


def normal_data(deviation: float) -> DenoisingModel:
    """The perfect model of data from N(0, deviation²): E[ε | x]."""

    def denoise(noisy: Tensor, times: Tensor) -> Tensor:
        signal, noise = LINEAR.scales(times, noisy)
        return noise * noisy / ((signal * deviation) ** 2 + noise**2)

    return DenoisingModel(denoise=denoise, schedule=LINEAR)


def test_each_sampler_finds_the_distribution_that_it_knows() -> None:
    start = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    start /= start.std()
    model, rng = normal_data(0.5), torch.Generator().manual_seed(1)
    # Of the deterministic ones the map is known: x is scaled by what the deviation becomes.
    errors = {}
    for name, steps in (("ddim", 100), ("heun", 50), ("dpm-solver", 50)):
        times = SOLVERS[name].times(LINEAR, steps)  # type: ignore[index]
        found = denoise_from(model, SOLVERS[name], start, times, [])  # type: ignore[index]
        errors[name] = abs(float(found.std()) / 0.5 - 1)
    assert errors["ddim"] < 0.05 and errors["heun"] < 0.01 and errors["dpm-solver"] < 0.01
    solver, times = AncestralSolver(), SOLVERS["ddpm"].times(LINEAR, 200)
    at = DiffusionStep(noisy=start)
    for time, following in pairwise(times):
        at = solver.step(model, at, time, following, lambda: torch.randn(4000, 1, generator=rng, dtype=torch.float64))
    assert float(at.noisy.std()) == pytest.approx(0.5, rel=0.04)


def test_heun_is_of_the_second_order() -> None:
    model, start = normal_data(0.5), torch.ones(1, 1, dtype=torch.float64)
    # From t = 600 on, so that the grid is even in what it integrates over.
    times = [600.0, 300.0]
    signal, noise = zip(*map(LINEAR.signal_and_noise, times), strict=True)
    exact = math.sqrt(((signal[1] * 0.5) ** 2 + noise[1] ** 2) / ((signal[0] * 0.5) ** 2 + noise[0] ** 2))

    def error(solver: DiffusionSolver, steps: int) -> float:
        high, low = LINEAR.sigma(600), LINEAR.sigma(300)
        grid = [LINEAR.time_of_sigma(high + i / steps * (low - high)) for i in range(steps + 1)]
        return abs(float(denoise_from(model, solver, start, grid, [])) - exact)

    assert error(HeunSolver(), 8) / error(HeunSolver(), 16) == pytest.approx(4, rel=0.15)
    assert error(DDIMSolver(), 8) / error(DDIMSolver(), 16) == pytest.approx(2, rel=0.15)


class Conditional:
    """A network of conditions: 1 for class 0, 2 for class 1, and 0 without (class 2)."""

    asked = 0

    def __call__(self, noisy: Tensor, timesteps: Tensor, condition: Tensor | None = None, /) -> Tensor:
        assert condition is not None
        self.asked += len(noisy)
        return torch.tensor([1.0, 2.0, 0.0])[condition][:, None].expand_as(noisy)

    def null_condition(self, condition: Tensor) -> Tensor:
        return torch.full_like(condition, 2)


@pytest.mark.parametrize(("scale", "factor", "asked"), [(0.0, 0.0, 2), (1.0, 1.0, 2), (3.0, 3.0, 4)])
def test_guidance(scale: float, factor: float, asked: int) -> None:
    network = Conditional()
    found = guided(network, torch.tensor([0, 1]), scale)(torch.zeros(2, 3), torch.zeros(2))
    assert found[:, 0].tolist() == [factor, 2 * factor] and network.asked == asked
    with pytest.raises(ValueError, match="scale is -1"):
        guided(network, torch.tensor([0, 1]), -1.0)


@pytest.mark.parametrize("name", SOLVERS)
def test_drawing_many_equals_drawing_them_singly_whatever_global_chance_does(name: str) -> None:
    model = DenoisingModel(denoise=lambda x, t: torch.tanh(x + 0.001 * t[:, None]), schedule=LINEAR)
    solver = SOLVERS[name]  # type: ignore[index]
    torch.manual_seed(1)
    together = draw_by_diffusion(model, solver, sample_generators(7, 3), (2,), 4)
    torch.manual_seed(2)  # poison
    before = torch.get_rng_state()
    singly = [draw_by_diffusion(model, solver, sample_generators(7, 1, first=i), (2,), 4) for i in range(3)]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(together, torch.cat(singly))  # bitwise: the formula has no product of matrices
    assert not torch.equal(together[0], together[1])


def test_progress_is_told_and_steps_that_cannot_be_are_refused() -> None:
    seen: list[tuple[int, int]] = []
    rngs = sample_generators(0, 1)
    draw_by_diffusion(EPSILON, DDIMSolver(), rngs, (2,), 3, on_step=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    for solver, steps in ((DDIMSolver(), 1001), (DDIMSolver(), 0), (HeunSolver(), 0)):
        with pytest.raises(ValueError, match=f"{steps} steps"):
            solver.times(LINEAR, steps)
