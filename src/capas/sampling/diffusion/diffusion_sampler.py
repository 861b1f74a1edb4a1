"""Drawing samples by diffusion: from noise, step by step, to data.

Each sample has a generator of its own, from which all its noise comes: it does not depend on how many are drawn beside
it, save for the last digits where the network's own products of matrices differ with the size of the batch.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from capas.sampling.diffusion.prediction import DenoisingModel
from capas.sampling.diffusion.solvers import DiffusionSolver, DiffusionStep
from capas.sampling.noise import normal_noise

# Called after each step with the number of steps done and that of all.
OnStep = Callable[[int, int], None]


def draw_by_diffusion(
    model: DenoisingModel, solver: DiffusionSolver, rngs: Sequence[torch.Generator], shape: Sequence[int], steps: int,
    *, device: torch.device | str = "cpu", on_step: OnStep | None = None,
) -> Tensor:  # fmt: skip
    """Return samples (N, *shape), float32.

    Args:
        model: The network.
        solver: How it goes from step to step.
        rngs: The source of chance of each of N samples.
        shape: Of one sample.
        steps: Steps from noise to data, ≥ 1.
        device: Where the network is.
        on_step: Told of progress.

    Raises ValueError for a number of steps that the solver cannot do.
    """
    return denoise_from(
        model, solver, normal_noise(rngs, *shape).to(device), solver.times(model.schedule, steps), rngs,
        on_step=on_step,
    )  # fmt: skip


@torch.no_grad()
def denoise_from(
    model: DenoisingModel, solver: DiffusionSolver, noisy: Tensor, times: Sequence[float],
    rngs: Sequence[torch.Generator], *, on_step: OnStep | None = None,
) -> Tensor:  # fmt: skip
    """Return what becomes of ``noisy`` (N, …), which has the noise of ``times[0]``, at ``times[-1]``.

    Arguments as in ``draw_by_diffusion``; ``times`` falls.
    """

    def draw() -> Tensor:
        return normal_noise(rngs, *noisy.shape[1:]).to(noisy)

    at = DiffusionStep(noisy=noisy)
    for done, (time, following) in enumerate(pairwise(times), start=1):
        at = solver.step(model, at, time, following, draw)
        if on_step is not None:
            on_step(done, len(times) - 1)
    return at.noisy
