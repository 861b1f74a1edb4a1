"""The verbs of generation as functions."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capas.engine.predict import Model, load_model
from capas.generation.image_sampling import Drawing, ImageSampler
from capas.sampling.generator import SamplerName, SamplingOptions


def generate(
    run: str | Path | Model, count: int = 16, *, conditions: Sequence[str] = (), prompts: Sequence[str] = (),
    seed: int = 0, steps: int | None = None, sampler: SamplerName | None = None, guidance: float | None = None,
    truncation: float | None = None,
) -> NDArray[np.uint8]:  # fmt: skip
    """Return new images, uint8 (count, H, W) or (count, H, W, 3).

    Args:
        run: A run that was trained with the task "generate", its bundle, or the loaded model.
        count: How many, ≥ 1; image k of a seed is the same however many are drawn.
        conditions: Names of classes, taken in turn; all of them where none is named.
        prompts: Texts that say what to draw, taken in turn, for a run that learnt from captions.
        seed: Of all chance.
        steps: Evaluations of the network for an image, 1 to 1000; None for the usual number.
        sampler: How noise becomes an image; None for the usual one.
        guidance: How strongly an image follows its class or text, ≥ 0; None for 1, as learnt.
        truncation: Share of the way from the mean image's latent, 0 to 1: less for more usual and less varied images of
            a style-based network; None for 1, as learnt.

    Warns:
        UserWarning: A prompt has words that mean nothing to the network.

    Raises:
        CapasError: Those of ``ImageSampler``.
        ValueError: ``count``, ``steps``, ``guidance`` or ``truncation`` is out of range.
    """
    if count < 1:
        raise ValueError(f"count is {count}; expected 1 or more")
    model = run if isinstance(run, Model) else load_model(run)
    options = SamplingOptions(steps=steps, sampler=sampler, guidance=guidance, truncation=truncation)
    drawing = Drawing(conditions=conditions, prompts=prompts, seed=seed, options=options)
    image_sampler = ImageSampler(model, str(run))
    for note in image_sampler.notes(drawing):
        warnings.warn(note, stacklevel=2)
    drawn = image_sampler.draw(count, drawing)
    return np.stack([image.pixels for image in drawn])
