"""Prepared inputs as images to look at: images themselves, and audio as a spectrogram."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capas.engine.recipes.shared.spectrograms import Spectrograms
from capas.engine.recipes.single_output.audio.predictor import AudioReader
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.engine.recipes.single_output.inputs import InputReader
from capas.trust.subjects.image_inputs import image_to_array


def display_image_of(reader: InputReader[object], prepared: object) -> NDArray[np.uint8] | None:
    """Return a prepared input as uint8 (H, W) or (H, W, 3); None where there is nothing to look at."""
    if isinstance(reader, ImageReader) and isinstance(prepared, Tensor):
        return image_to_array(prepared)
    if isinstance(reader, AudioReader):
        collated = reader.collate([prepared])
        assert isinstance(collated, Spectrograms)
        return spectrogram_image(collated.values[0])
    return None


def spectrogram_image(values: Tensor) -> NDArray[np.uint8]:
    """Return a spectrogram (bands, frames) as a grey image, low frequencies at the bottom, loud bright."""
    low, high = (float(torch.quantile(values, q)) for q in (0.05, 0.995))
    shares = ((values.flip(0) - low) / max(1e-6, high - low)).clamp(0, 1)
    grey: NDArray[np.uint8] = (shares * 255).round().to(torch.uint8).numpy()
    return grey
