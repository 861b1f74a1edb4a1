"""Tiny encoders and batches for objectives without labels."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from capas.objectives.base import Objective, StepContext

FEATURES = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Views:
    first: Tensor
    second: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Images:
    inputs: Tensor


def encoder(channels: int = 1, *, features: int = FEATURES) -> nn.Sequential:
    """Images of any size → features (B, 8)."""
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(32, features),
    )  # fmt: skip


def shapes(count: int = 8, *, size: int = 8, channels: int = 1) -> Tensor:
    """Images with a smooth slope of a direction of its own each, (count, channels, size, size)."""
    generator = torch.Generator().manual_seed(1)
    line = torch.linspace(-1, 1, size)
    slopes = torch.randn(count, channels, 2, generator=generator)
    return slopes[..., :1, None] * line[:, None] + slopes[..., 1:, None] * line


def two_views(count: int = 8) -> Views:
    generator = torch.Generator().manual_seed(2)
    images = shapes(count)
    first, second = (images + 0.1 * torch.randn(images.shape, generator=generator) for _ in range(2))
    return Views(first=first, second=second)


def context(seed: int = 0, *, step: int = 0, progress: float = 0.0) -> StepContext:
    return StepContext(step=step, progress=progress, rng=torch.Generator().manual_seed(seed))


def loss_of(objective: Objective, batch: object, seed: int = 0) -> Tensor:
    (phase,) = objective.phases
    return objective.losses(batch, phase, context(seed))["loss"]


def learn(objective: Objective, batch: object, *, steps: int = 30, rate: float = 3e-3) -> list[float]:
    """The losses of ``steps`` corrections, each with chance of its own, ``after`` called as the engine does."""
    (phase,) = objective.phases
    parameters = [p for name in phase.networks for p in objective.networks[name].parameters()]
    optimizer = torch.optim.Adam(parameters, lr=rate)
    after: Callable[..., None] | None = getattr(objective, "after", None)
    told = []
    for step in range(steps):
        now = context(step, step=step, progress=step / steps)
        optimizer.zero_grad()
        loss = objective.losses(batch, phase, now)["loss"]
        loss.backward()
        optimizer.step()
        if after is not None:
            with torch.no_grad():
                after(phase, now)
        told.append(loss.item())
    return told


def check_contract(objective: Objective, make: Callable[[], Objective], batch: object) -> None:
    """What every objective here keeps: one phase, the encoder deployed and reached, chance from the context alone."""
    assert isinstance(objective, Objective)
    (phase,) = objective.phases
    assert (phase.name, phase.loss) == ("correct", "loss") and set(phase.networks) <= set(objective.networks)
    assert objective.deployed == ("encoder",) and "encoder" in phase.networks
    loss = loss_of(objective, batch, 3)
    loss.backward()
    for name in phase.networks:
        for parameter_name, parameter in objective.networks[name].named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), f"{name}.{parameter_name}"
    reached = [p.grad.abs().max() for p in objective.networks["encoder"].parameters() if p.grad is not None]
    assert max(reached) > 1e-6
    torch.manual_seed(0)
    first = make()
    torch.manual_seed(0)
    second = make()
    torch.manual_seed(99)  # the global generator must not matter
    one = loss_of(first, batch, 5)
    torch.manual_seed(98)
    assert loss_of(second, batch, 5).item() == one.item()


def falls(losses: list[float], share: float) -> bool:
    """Whether the mean of the last five is below ``share`` of that of the first five."""
    return sum(losses[-5:]) < share * sum(losses[:5])
