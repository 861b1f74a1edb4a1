"""Waveforms in 0..1 as differentiable inputs of an audio model, for gradients and attacks."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.data.audio.mel import frame_counts, log_mel
from capas.engine.recipes.shared.spectrograms import Spectrograms
from capas.engine.recipes.single_output.audio.predictor import AudioReader


class UnitRangeAudioModel(nn.Module):
    """Maps waveforms (B, N) in 0..1, 0.5 being silence, to raw outputs (B, K); all have the same length."""

    def __init__(self, reader: AudioReader) -> None:
        super().__init__()
        self.network = reader.network
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        self.preparation = reader.preparation

    def forward(self, waves: Float[Tensor, "B N"]) -> Float[Tensor, "B K"]:
        """Return the raw outputs."""
        mel = self.preparation.mel
        values = (log_mel(2 * waves - 1, mel) - self.preparation.mean) / self.preparation.std
        lengths = frame_counts(torch.full((len(waves),), waves.shape[1]), mel)
        outputs: Tensor = self.network(Spectrograms(values=values, lengths=lengths))
        return outputs


def waveforms_to_unit_range(prepared: Sequence[object]) -> Float[Tensor, "B N"]:
    """Map waveforms in −1..1 to 0..1, padded with silence."""
    waves = cast(Sequence[NDArray[np.float32]], prepared)
    padded = torch.zeros(len(waves), max(len(wave) for wave in waves))
    for i, wave in enumerate(waves):
        padded[i, : len(wave)] = torch.from_numpy(wave).clamp(-1, 1)
    return (padded + 1) / 2
