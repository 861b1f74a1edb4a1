"""Diffusion on mixtures in the plane: how many modes it hits, and how many samples are good.

A ring of 8 and a grid of 25 Gaussians (``capas.metrics.generation.mode_coverage``): the ``PointDenoiser`` learns from
768,000 fresh points, in 3,000 batches of 256, and the average of its weights draws 2,000 samples with every sampler. A
mode is hit by one sample or more within three deviations of it; such samples are good (the data's own share: 98.9 %).
``CAPAS_SEEDS`` (1,2,3), all of which are reported.
"""

import math
import os
import time
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.record import conditions, keep, spread, table
from capas.core.rng import seeded_generator
from capas.metrics.generation.mode_coverage import (
    GaussianMixture2D,
    ModeCoverage,
    grid_of_gaussians,
    mode_coverage,
    ring_of_gaussians,
)
from capas.networks.generative.point_denoiser import PointDenoiser, PointDenoiserConfig
from capas.objectives.base import StepContext
from capas.objectives.generative.diffusion import Diffusion
from capas.sampling.diffusion.diffusion_sampler import draw_by_diffusion
from capas.sampling.diffusion.noise_schedule import noise_schedule
from capas.sampling.diffusion.prediction import DenoisingModel
from capas.sampling.diffusion.solvers import SOLVERS
from capas.sampling.generator import SamplerName
from capas.sampling.noise import sample_generators

SEEDS: Final = tuple(map(int, os.environ.get("CAPAS_SEEDS", "1,2,3").split(",")))
STEPS, BATCH, SAMPLES = 3000, 256, 2000
PEAK, WARMUP, AVERAGE = 2e-3, 0.05, 0.995
BOUND: Final = 1.3  # on what is drawn; the outermost modes are at 1
MIXTURES: Final = {"ring of 8": ring_of_gaussians(), "grid of 25": grid_of_gaussians()}
SAMPLERS: Final[tuple[tuple[SamplerName, int], ...]] = (
    ("ddpm", 200), ("ddim", 50), ("ddim", 20), ("dpm-solver", 20), ("heun", 18),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class PointBatch:
    """Points (B, 2)."""

    inputs: Tensor
    condition: Tensor | None = None


def learn(mixture: GaussianMixture2D, seed: int) -> tuple[DenoisingModel, float]:
    """The trained model, and its training in seconds."""
    torch.manual_seed(seed)
    objective = Diffusion(PointDenoiser(PointDenoiserConfig()), noise_schedule("cosine"), predicts="v")
    (network,) = objective.networks.values()
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE))
    optimizer = torch.optim.Adam(network.parameters(), lr=PEAK)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, total_steps=STEPS, pct_start=WARMUP)
    points, started = seeded_generator(seed, "points"), time.perf_counter()
    for step in range(STEPS):
        context = StepContext(step=step, progress=step / STEPS, rng=seeded_generator(seed, "step", step))
        batch = PointBatch(inputs=mixture.draw(BATCH, points))
        loss = objective.losses(batch, objective.phases[0], context)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
        average.update_parameters(network)
    model = DenoisingModel(denoise=average.eval(), schedule=objective.schedule, predicts="v", clip=BOUND)
    return model, time.perf_counter() - started


def main() -> None:
    """Both mixtures, all seeds, every sampler."""
    facts, rows, measured = conditions("mixtures"), [], dict[str, object]()
    for name, mixture in MIXTURES.items():
        found: dict[tuple[SamplerName, int], list[ModeCoverage]] = {sampler: [] for sampler in SAMPLERS}
        seconds = []
        for seed in SEEDS:
            model, took = learn(mixture, seed)
            seconds.append(took)
            for sampler, steps in SAMPLERS:
                drawn = draw_by_diffusion(model, SOLVERS[sampler], sample_generators(seed, SAMPLES), (2,), steps)
                found[sampler, steps].append(mode_coverage(drawn, mixture))
        for (sampler, steps), all_seeds in found.items():
            hit = ", ".join(f"{one.hit}/{one.modes}" for one in all_seeds)
            evaluations = (steps - 1) * SOLVERS[sampler].evaluations + 1  # the last step asks once
            rows.append([name, sampler, evaluations, hit, spread([100 * one.good.value for one in all_seeds])])
            measured[f"{name}, {sampler}, {steps} steps"] = [
                {"hit": one.hit, "modes": one.modes, "good": one.good.as_json()} for one in all_seeds
            ]
        measured[f"{name}, training in seconds"] = [round(one, 1) for one in seconds]
    good = 100 * (1 - math.exp(-4.5))
    heads = ["data", "sampler", "evaluations a sample", "modes hit, by seed", "good samples in %: median (range)"]
    text = (
        f"{STEPS} batches of {BATCH} points, {SAMPLES} samples, seeds {SEEDS}. Of the data themselves {good:.1f} % are "
        f"good.\n\n{table(heads, rows)}"
    )
    keep("mixtures", "Diffusion on mixtures in the plane", text, facts, measured)


if __name__ == "__main__":
    main()
