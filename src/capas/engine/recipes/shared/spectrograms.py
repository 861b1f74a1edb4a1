"""Log-mel spectrograms for audio networks: preprocessing settings, batches, augmentation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError
from torch import Tensor

from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.data.audio.augment import AudioAugmentation, augment_spectrograms, augment_waveforms
from capas.data.audio.io import MAX_SECONDS, read_audio
from capas.data.audio.mel import MelConfig, frame_counts, log_mel
from capas.engine.config import Config

HOP_S, WINDOW_S = 0.010, 0.032


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioPreparation:
    """How waveforms become spectrograms.

    Attributes:
        rate: Sample rate in Hz.
        seconds: Longest duration; longer waveforms lose both ends.
        num_mels: Number of mel bands.
        mean: Mean of the log-mel values of the training split.
        std: Their standard deviation.
    """

    # The ranges are those that a bundle is held to; a value made here is not checked again.
    rate: Annotated[int, Field(ge=1000, le=192_000)]
    seconds: Annotated[float, Field(gt=0, le=MAX_SECONDS)]
    num_mels: Annotated[int, Field(ge=1, le=256)]
    mean: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    std: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0

    @property
    def mel(self) -> MelConfig:
        """The mel settings: a window of about 32 ms every 10 ms."""
        window = 1 << round(self.rate * WINDOW_S - 1).bit_length()
        return MelConfig(sample_rate=self.rate, window=window, hop=round(self.rate * HOP_S), n_mels=self.num_mels)

    def read(self, path: Path) -> NDArray[np.float32]:
        """Read the audio file at ``path`` as mono samples, the middle ``seconds`` of it. Raises CapasError."""
        samples = read_audio(path, sample_rate=self.rate).samples
        most = round(self.seconds * self.rate)
        start = max(0, (len(samples) - most) // 2)
        return samples[start : start + most]


_PREPARATION: Final[TypeAdapter[AudioPreparation]] = TypeAdapter(AudioPreparation)


def bundled_audio_preparation(bundle: Bundle) -> AudioPreparation:
    """Return how a bundle prepares its sounds. Raises CapasError ``bundle_incomplete``."""
    try:
        return _PREPARATION.validate_python(bundle.file(PREPARATION))
    except ValidationError as error:
        received = str(error.errors()[0]["msg"])
        raise CapasError("bundle_incomplete", where=bundle.folder / PREPARATION, received=received) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Spectrograms:
    """A batch of spectrograms.

    Attributes:
        values: Standardised log-mel values, float32, shape (B, M, T).
        lengths: Frames of each waveform, shape (B,).
    """

    values: Tensor
    lengths: Tensor


def spectrograms_of(
    waves: Sequence[NDArray[np.float32]],
    preparation: AudioPreparation,
    augmentation: AudioAugmentation | None = None,
    rng: torch.Generator | None = None,
) -> Spectrograms:
    """Return waveforms of any length as one batch; augmented where ``augmentation`` and ``rng`` are given."""
    lengths = torch.tensor([len(wave) for wave in waves])
    padded = torch.zeros(len(waves), int(lengths.max()))
    for i, wave in enumerate(waves):
        padded[i, : len(wave)] = torch.from_numpy(wave)
    if augmentation is not None and rng is not None:
        padded = augment_waveforms(padded, augmentation, rng)
    frames = frame_counts(lengths, preparation.mel)
    values = (log_mel(padded, preparation.mel) - preparation.mean) / preparation.std
    if augmentation is not None and rng is not None:
        values = augment_spectrograms(values, augmentation, rng, frames)
    return Spectrograms(values=values, lengths=frames)


def audio_augmentation(config: Config) -> AudioAugmentation:
    """Return the augmentation that ``config`` asks for."""
    sound = config.audio
    return AudioAugmentation(
        shift=sound.shift,
        gain_db=sound.gain_db,
        lowest_snr_db=sound.noise_snr_db or None,
        time_mask=sound.time_mask,
        frequency_mask=sound.frequency_mask,
    )


def fit_spectrogram_statistics(waves: Sequence[NDArray[np.float32]], preparation: AudioPreparation) -> AudioPreparation:
    """Return ``preparation`` with the mean and deviation of the log-mel values of at most about 500 of these
    waveforms.
    """
    few = waves[:: max(1, len(waves) // 500)]
    parts = [spectrograms_of([wave], preparation).values.flatten() for wave in few]
    values = torch.cat(parts)
    return AudioPreparation(
        rate=preparation.rate, seconds=preparation.seconds, num_mels=preparation.num_mels,
        mean=round(float(values.mean()), 6), std=round(max(1e-3, float(values.std())), 6),
    )  # fmt: skip
