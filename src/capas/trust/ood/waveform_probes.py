"""Synthetic out-of-distribution audio: white noise, silence, and reversed waveforms."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray


def waveform_probes(waves: Sequence[NDArray[np.float32]], rng: torch.Generator) -> dict[str, list[NDArray[np.float32]]]:
    """Return, by name, white noise as loud as each waveform, silence, and each waveform backwards."""
    numpy_rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=rng)))
    levels = [float(np.sqrt(np.mean(wave**2))) for wave in waves]
    return {
        "noise": [
            numpy_rng.normal(0, one, len(wave)).astype(np.float32) for wave, one in zip(waves, levels, strict=True)
        ],
        "silence": [np.zeros_like(wave) for wave in waves],
        "backwards": [np.ascontiguousarray(wave[::-1]) for wave in waves],
    }
