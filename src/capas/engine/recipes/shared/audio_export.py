"""The waveform input of exported audio networks."""

import torch
from jaxtyping import Float
from torch import Tensor

from capas.bundle.export import ExportInput
from capas.bundle.export_wrappers import LogMelLayer
from capas.engine.recipes.shared.spectrograms import AudioPreparation


def log_mel_layer(preparation: AudioPreparation) -> LogMelLayer:
    """Return the spectrogram layer of an exported network."""
    return LogMelLayer(preparation.mel, mean=preparation.mean, std=preparation.std)


def random_waveforms(preparation: AudioPreparation, count: int) -> Float[Tensor, "B N"]:
    """Return ``count`` waveforms of noise, half a second long."""
    samples = max(preparation.mel.window, preparation.rate // 2)
    return torch.randn(count, samples, generator=torch.Generator().manual_seed(0)) / 10


def waveform_input(preparation: AudioPreparation, batch: str | int) -> ExportInput:
    """Return the waveform input of an exported audio network; ``batch`` is the name of a free batch axis or a fixed
    size.
    """
    description = (
        f"-1..1, mono, {preparation.rate} samples a second, all of one length; spectrograms are inside the network"
    )
    example = random_waveforms(preparation, 2 if isinstance(batch, str) else batch)
    return ExportInput(name="sounds", axes=(batch, "samples"), values=description, example=example)
