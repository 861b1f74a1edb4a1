"""The simple loss of diffusion by hand, conditions that are left out, and that it learns."""

from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from capas.networks.generative.point_denoiser import PointDenoiser, PointDenoiserConfig
from capas.objectives.base import StepContext
from capas.objectives.generative.diffusion import Diffusion, DiffusionBatch
from capas.sampling.diffusion.noise_schedule import linear_schedule
from capas.sampling.diffusion.prediction import Prediction

SCHEDULE = linear_schedule()


def context(step: int = 0) -> StepContext:
    return StepContext(step=step, progress=0.0, rng=torch.Generator().manual_seed(step))


def batch(inputs: Tensor, condition: Tensor | None = None) -> DiffusionBatch:
    return cast(DiffusionBatch, SimpleNamespace(inputs=inputs, condition=condition))


class Recorder(nn.Module):
    """Predicts 0.5 everywhere and remembers what it was asked."""

    def forward(self, noisy: Tensor, timesteps: Tensor, condition: Tensor | None = None) -> Tensor:
        self.noisy, self.timesteps, self.condition = noisy, timesteps, condition
        return torch.full_like(noisy, 0.5)

    def null_condition(self, condition: Tensor) -> Tensor:
        return torch.full_like(condition, -1)


@pytest.mark.parametrize("predicts", ["epsilon", "v", "x0"])
def test_the_loss_by_hand(predicts: Prediction) -> None:
    network, clean = Recorder(), torch.rand(500, 3) * 2 - 1
    objective = Diffusion(network, SCHEDULE, predicts=predicts)
    loss = objective.losses(batch(clean), objective.phases[0], context())["loss"]
    times = network.timesteps.long()
    assert torch.equal(times.float(), network.timesteps) and times.min() >= 0 and times.max() <= 999
    assert float(times.float().mean()) == pytest.approx(499.5, abs=40)
    kept = SCHEDULE.alpha_bar[times].float()[:, None]
    noise = (network.noisy - kept.sqrt() * clean) / (1 - kept).sqrt()
    assert float(noise.mean()) == pytest.approx(0, abs=0.1) and float(noise.std()) == pytest.approx(1, abs=0.1)
    target = {"epsilon": noise, "x0": clean, "v": kept.sqrt() * noise - (1 - kept).sqrt() * clean}[predicts]
    torch.testing.assert_close(loss, (target - 0.5).square().mean(), rtol=1e-3, atol=1e-4)


def test_a_tenth_of_the_conditions_is_left_out_whole() -> None:
    network, wanted = Recorder(), torch.ones(3000, 4)
    objective = Diffusion(network, SCHEDULE)
    objective.losses(batch(torch.zeros(3000, 2), wanted), objective.phases[0], context())
    assert network.condition is not None
    rows = network.condition
    assert torch.equal(rows, rows[:, :1].expand(-1, 4)) and set(rows.unique().tolist()) == {-1.0, 1.0}
    assert float((rows[:, 0] == -1).float().mean()) == pytest.approx(0.1, abs=0.02)
    for share, expected in ((0.0, {3}), (1.0, {-1})):
        objective = Diffusion(network, SCHEDULE, dropped_conditions=share)
        objective.losses(batch(torch.zeros(9, 2), torch.full((9,), 3)), objective.phases[0], context())
        assert set(network.condition.tolist()) == expected
    with pytest.raises(ValueError, match="dropped_conditions is 1"):
        Diffusion(network, SCHEDULE, dropped_conditions=1.5)


def test_all_its_chance_is_the_contexts() -> None:
    objective = Diffusion(PointDenoiser(PointDenoiserConfig(width=8, depth=1, num_classes=2)), SCHEDULE)
    data = batch(torch.randn(16, 2), torch.arange(16) % 2)
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        found.append(objective.losses(data, objective.phases[0], context())["loss"].detach())
        assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(*found)
    assert not torch.equal(objective.losses(data, objective.phases[0], context(1))["loss"].detach(), found[0])


def test_it_learns() -> None:
    objective = Diffusion(PointDenoiser(PointDenoiserConfig(width=32, depth=1)), SCHEDULE)
    (network,) = objective.networks.values()
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    data, losses = batch(torch.tensor([[1.0, -1.0]]).expand(64, 2)), []
    for step in range(60):
        loss = objective.losses(data, objective.phases[0], context(step))["loss"]
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
