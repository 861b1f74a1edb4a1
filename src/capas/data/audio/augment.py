"""Batched audio augmentation of waveforms and spectrograms.

Waveforms are (B, N) in -1..1, spectrograms (B, M bands, T frames). Each operation draws from the generator it is given
and never from the global one; each clip of a batch is augmented independently; nothing is changed in place.

- ``mask_time``, ``mask_frequency``: SpecAugment, Park et al., Interspeech 2019 (arXiv:1904.08779), section 2: a stretch
  of t frames (f bands), t uniform in 0..limit, its start uniform, is set to the spectrogram's mean. Where we deviate:
  no time warping, which the paper found to matter least; t is at most ``fraction`` of each clip's own length.
- ``add_white_noise``: white noise at a signal-to-noise ratio in decibels that is drawn uniformly.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioAugmentation:
    """Strengths of the audio augmentations; 0 or None switches one off.

    Attributes:
        shift: Largest time shift, as a share of the waveform.
        gain_db: Largest gain, up or down, in decibels.
        lowest_snr_db: Lowest signal-to-noise ratio of added noise; the highest is 30 dB above it.
        time_mask: Largest share of the frames that one mask hides.
        frequency_mask: Largest share of the bands that one mask hides.
        masks: Number of masks of each kind.
    """

    shift: float = 0.0
    gain_db: float = 0.0
    lowest_snr_db: float | None = None
    time_mask: float = 0.0
    frequency_mask: float = 0.0
    masks: int = 1

    def __post_init__(self) -> None:
        for name, share in (
            ("shift", self.shift),
            ("time_mask", self.time_mask),
            ("frequency_mask", self.frequency_mask),
        ):
            if not 0 <= share < 1:
                raise ValueError(f"{name} is {share}; expected a share in [0, 1)")
        if self.gain_db < 0:
            raise ValueError(f"gain_db is {self.gain_db}; expected 0 or more")
        if self.masks < 0:
            raise ValueError(f"masks is {self.masks}; expected 0 or more")


def augment_waveforms(
    waves: Float[Tensor, "B N"], augmentation: AudioAugmentation, generator: torch.Generator
) -> Float[Tensor, "B N"]:
    """Apply time shift, gain and noise, in this order."""
    if augmentation.shift:
        waves = random_time_shift(waves, augmentation.shift, generator)
    if augmentation.gain_db:
        waves = random_gain(waves, augmentation.gain_db, generator)
    if augmentation.lowest_snr_db is not None:
        waves = add_white_noise(waves, augmentation.lowest_snr_db, augmentation.lowest_snr_db + 30, generator)
    return waves


def augment_spectrograms(
    spectrograms: Float[Tensor, "B M T"],
    augmentation: AudioAugmentation,
    generator: torch.Generator,
    lengths: Int[Tensor, " B"] | None = None,
) -> Float[Tensor, "B M T"]:
    """Apply time and frequency masks; ``lengths`` in frames, where clips are padded."""
    for _ in range(augmentation.masks):
        if augmentation.time_mask:
            spectrograms = mask_time(spectrograms, augmentation.time_mask, generator, lengths)
        if augmentation.frequency_mask:
            spectrograms = mask_frequency(spectrograms, augmentation.frequency_mask, generator)
    return spectrograms


def random_time_shift(waves: Float[Tensor, "B N"], fraction: float, generator: torch.Generator) -> Float[Tensor, "B N"]:
    """Shift each waveform earlier or later by up to ``fraction`` of its length; silence comes in."""
    samples = waves.shape[1]
    limit = round(fraction * samples)
    shifts = torch.randint(-limit, limit + 1, (len(waves), 1), generator=generator).to(waves.device)
    places = torch.arange(samples, device=waves.device) - shifts
    inside = (places >= 0) & (places < samples)
    return waves.gather(1, places.clamp(0, samples - 1)) * inside


def random_gain(waves: Float[Tensor, "B N"], decibels: float, generator: torch.Generator) -> Float[Tensor, "B N"]:
    """Multiply each waveform by 10^(g / 20), g uniform in ± ``decibels``; it may then leave -1..1."""
    drawn = (torch.rand(len(waves), 1, generator=generator) * 2 - 1).to(waves)
    return waves * torch.pow(10.0, drawn * (decibels / 20))


def add_white_noise(
    waves: Float[Tensor, "B N"], min_snr_db: float, max_snr_db: float, generator: torch.Generator
) -> Float[Tensor, "B N"]:
    """Add white noise whose power is that of the waveform, less a ratio uniform in ``min_snr_db``..``max_snr_db``.

    The power is the mean over all N samples, so a padded waveform gets less noise; a silent one gets none.
    """
    ratio_db = torch.rand(len(waves), 1, generator=generator) * (max_snr_db - min_snr_db) + min_snr_db
    noise = torch.randn(waves.shape, generator=generator).to(waves)
    level = waves.square().mean(1, keepdim=True).sqrt() * torch.pow(10.0, -ratio_db.to(waves) / 20)
    return waves + noise * level


def mask_time(
    spectrograms: Float[Tensor, "B M T"],
    fraction: float,
    generator: torch.Generator,
    lengths: Int[Tensor, " B"] | None = None,
) -> Float[Tensor, "B M T"]:
    """Set one stretch of up to ``fraction`` of each clip's frames to the clip's mean."""
    batch, _, frames = spectrograms.shape
    if lengths is None:
        lengths = torch.full((batch,), frames)
    hidden = _stretches(lengths.cpu(), frames, fraction, generator).to(spectrograms.device)
    return torch.where(hidden[:, None, :], _mean(spectrograms, lengths), spectrograms)


def mask_frequency(
    spectrograms: Float[Tensor, "B M T"], fraction: float, generator: torch.Generator
) -> Float[Tensor, "B M T"]:
    """Set one stretch of up to ``fraction`` of the bands to each clip's mean."""
    batch, bands, _ = spectrograms.shape
    hidden = _stretches(torch.full((batch,), bands), bands, fraction, generator).to(spectrograms.device)
    return torch.where(hidden[:, :, None], spectrograms.mean(dim=(1, 2), keepdim=True), spectrograms)


def _mean(spectrograms: Tensor, lengths: Tensor) -> Tensor:
    inside = torch.arange(spectrograms.shape[2], device=spectrograms.device) < lengths.to(spectrograms.device)[:, None]
    total = spectrograms.masked_fill(~inside[:, None], 0).sum(dim=(1, 2))
    return (total / (inside.sum(1) * spectrograms.shape[1]).clamp(min=1))[:, None, None]


def _stretches(lengths: Tensor, size: int, fraction: float, generator: torch.Generator) -> Bool[Tensor, "B S"]:
    """bool B×size: in each row a stretch of 0..⌊fraction · length⌋ places within the first ``length``."""
    extent = (torch.rand(len(lengths), generator=generator) * ((lengths * fraction).floor() + 1)).floor()
    start = (torch.rand(len(lengths), generator=generator) * (lengths - extent + 1)).floor()
    places = torch.arange(size)
    return (places >= start[:, None]) & (places < (start + extent)[:, None])
