"""Changing images by diffusion: completing them, and redrawing them more or less freely.

- ``inpaint``: Lugmayr, Danelljan, Romero, Yu, Timofte & Van Gool, "RePaint: Inpainting Using Denoising Diffusion
  Probabilistic Models", CVPR 2022, Algorithm 1 and Appendix B. After each step what is known is put in, with as much
  noise as the rest has; every ``jump`` steps noise is added again for as many steps, ``resamplings`` times in all, so
  that the unknown part can follow the known one.
- ``image_to_image``: Meng et al., "SDEdit: Guided Image Synthesis and Editing with Stochastic Differential Equations",
  ICLR 2022: an image gets part of the noise and is denoised.

Both go with any solver, and no network needs to be trained for them.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor

from capas.sampling.diffusion.diffusion_sampler import OnStep, denoise_from
from capas.sampling.diffusion.noise_schedule import NoiseSchedule
from capas.sampling.diffusion.prediction import DenoisingModel
from capas.sampling.diffusion.solvers import DiffusionSolver, DiffusionStep
from capas.sampling.noise import normal_noise

JUMP: Final = 10
RESAMPLINGS: Final = 10


def image_to_image(
    model: DenoisingModel, solver: DiffusionSolver, images: Tensor, rngs: Sequence[torch.Generator], steps: int,
    *, strength: float, on_step: OnStep | None = None,
) -> Tensor:  # fmt: skip
    """Return images drawn anew.

    Args:
        model: The network.
        solver: How it goes from step to step.
        images: (N, …), in the range of the training data.
        rngs: The source of chance of each.
        steps: Steps that all of the way from noise to data would have; the share ``strength`` of them is gone.
        strength: In (0, 1]: how much is drawn anew; 1 leaves nothing of the image but what the schedule's last step
            leaves.
        on_step: Told of progress.

    Raises ValueError for another strength.
    """
    if not 0 < strength <= 1:
        raise ValueError(f"strength is {strength}; expected more than 0, at most 1")
    times = solver.times(model.schedule, steps)
    times = times[steps - max(1, round(strength * steps)) :]
    noisy = _noised(model.schedule, images, times[0], rngs)
    return denoise_from(model, solver, noisy, times, rngs, on_step=on_step)


@torch.no_grad()
def inpaint(
    model: DenoisingModel, solver: DiffusionSolver, images: Tensor, known: Tensor, rngs: Sequence[torch.Generator],
    steps: int, *, jump: int = JUMP, resamplings: int = RESAMPLINGS, on_step: OnStep | None = None,
) -> Tensor:  # fmt: skip
    """Return images whose known part is that of ``images`` and whose rest is drawn.

    Args:
        model: The network.
        solver: How it goes from step to step.
        images: (N, …), in the range of the training data; what is unknown may be anything finite.
        known: True where a number is known, bool, broadcast against ``images``.
        rngs: The source of chance of each.
        steps: Steps from noise to data.
        jump: Steps that are gone back at once, ≥ 1.
        resamplings: How often each step is gone, ≥ 1; 1 never goes back. The work grows with it.
        on_step: Told of progress.

    Raises ValueError for a jump or resamplings below 1.
    """
    times = solver.times(model.schedule, steps)
    way = repaint_positions(steps, jump=jump, resamplings=resamplings)
    unknown = ~known.expand_as(images)

    def draw() -> Tensor:
        return normal_noise(rngs, *images.shape[1:]).to(images)

    at = DiffusionStep(noisy=draw())
    for done, (place, following) in enumerate(pairwise(way), start=1):
        time, next_time = times[steps - place], times[steps - following]
        if following < place:
            at = solver.step(model, at, time, next_time, draw)
            put_in = _noised(model.schedule, images, next_time, rngs)
            at = DiffusionStep(noisy=torch.where(unknown, at.noisy, put_in), time=at.time, clean=at.clean)
        else:
            # What the solver remembers of the step before is of no use from here.
            at = DiffusionStep(noisy=_noised_further(model.schedule, at.noisy, time, next_time, draw()))
        if on_step is not None:
            on_step(done, len(way) - 1)
    return at.noisy


def repaint_positions(steps: int, *, jump: int, resamplings: int) -> list[int]:
    """Return how many steps are left at each stop, from ``steps`` to 0.

    Raises ValueError for a jump or resamplings below 1.

    >>> repaint_positions(4, jump=2, resamplings=2)
    [4, 3, 2, 1, 3, 2, 1, 0]
    """
    if jump < 1 or resamplings < 1:
        raise ValueError(f"jump is {jump}, resamplings {resamplings}; expected 1 or more of each")
    backs = dict.fromkeys(range(1, steps - jump + 1, jump), resamplings - 1)
    way = [steps]
    while way[-1] > 0:
        place = way[-1] - 1
        way.append(place)
        if backs.get(place, 0):
            backs[place] -= 1
            way.append(place + jump)
    return way


def _noised(schedule: NoiseSchedule, images: Tensor, time: float, rngs: Sequence[torch.Generator]) -> Tensor:
    signal, noise = schedule.signal_and_noise(time)
    return signal * images + noise * normal_noise(rngs, *images.shape[1:]).to(images) if noise else images


def _noised_further(schedule: NoiseSchedule, noisy: Tensor, time: float, further: float, noise: Tensor) -> Tensor:
    """x at ``further`` > ``time``, drawn from q(x_further | x_time)."""
    (signal, deviation), (next_signal, next_deviation) = map(schedule.signal_and_noise, (time, further))
    kept = next_signal / signal
    return kept * noisy + math.sqrt(next_deviation**2 - (kept * deviation) ** 2) * noise
