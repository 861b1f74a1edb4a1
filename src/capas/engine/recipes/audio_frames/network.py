"""Frame-level networks: a CRNN at half the frame rate, upsampled to all frames."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.core.rng import derive_seed
from capas.engine.config import Config
from capas.engine.recipes.audio_frames.defaults import HIDDEN
from capas.engine.recipes.shared.spectrograms import (
    Spectrograms,
)
from capas.networks.document.crnn import AudioCRNN, CRNNConfig


class FrameUpsampler(nn.Module):
    """Upsamples the logits of ``reader``, which has every second frame, to all frames: Spectrograms → (B, T, K)."""

    def __init__(self, reader: AudioCRNN) -> None:
        super().__init__()
        self.reader = reader

    def forward(self, sounds: Spectrograms) -> Tensor:
        logits, lengths = self.reader(sounds.values, sounds.lengths)
        return upsample_frames(logits, lengths, sounds.values.shape[2])


class UnpaddedFrameUpsampler(nn.Module):
    """As ``FrameUpsampler``, for unpadded spectrograms (B, M, T); lengths are ignored."""

    def __init__(self, reader: AudioCRNN) -> None:
        super().__init__()
        self.reader = reader

    def forward(self, spectrograms_BMT: Tensor, lengths_B: Tensor) -> Tensor:
        """Return logits (B, T, K)."""
        logits, lengths = self.reader(spectrograms_BMT, None)
        return upsample_frames(logits, lengths, spectrograms_BMT.shape[2])


def build_network(config: Config, num_classes: int) -> nn.Module:
    """Build the configured network with weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    return new_frame_network(config.audio.n_mels, num_classes, int(config.network.width), HIDDEN).train()


def new_frame_network(bands: int, num_classes: int, width: int, hidden: int) -> FrameUpsampler:
    return FrameUpsampler(AudioCRNN(CRNNConfig(size=bands, num_labels=num_classes, width=width, hidden=hidden)))


def upsample_frames(logits: Float[Tensor, "B T2 K"], lengths: Int[Tensor, " B"], frames: int) -> Float[Tensor, "B T K"]:
    """Return logits of all ``frames`` from those of frames 0, 2, 4 …

    Frames between are the mean of their neighbours; the last one of a recording (of ``lengths`` logits) repeats the one
    before.
    """
    places = torch.arange(logits.shape[1], device=logits.device)
    following = torch.minimum(places + 1, (lengths - 1)[:, None])[:, :, None].expand(logits.shape)
    between = (logits + logits.gather(1, following)) / 2
    return torch.stack([logits, between], dim=2).flatten(1, 2)[:, :frames]
