"""Recordings and the classes of their frames."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from capas.core.device import physical_cores
from capas.data.audio.io import read_audio
from capas.data.audio.segments import SegmentCollection, clip_segments, frame_classes
from capas.data.collections import AudioFiles
from capas.engine.config import Config
from capas.engine.recipe import PreparedDataset
from capas.engine.recipes.audio_frames.windows import (
    frame_count,
    hop_seconds,
)
from capas.engine.recipes.shared.spectrograms import (
    AudioPreparation,
)


def frame_targets(
    segments: SegmentCollection | None, index: int, wave: Tensor, classes: Sequence[str], preparation: AudioPreparation
) -> Tensor:
    """Return the class of every frame of a recording, int64, shape (T,)."""
    assert segments is not None
    kept = clip_segments(segments.segments[index], len(wave) / preparation.rate).kept
    return frame_classes(kept, classes, frame_count(wave, preparation), hop_seconds(preparation))


def audio_preparation(config: Config) -> AudioPreparation:
    sound = config.audio
    assert sound.sample_rate != "auto" and sound.seconds != "auto"
    return AudioPreparation(rate=sound.sample_rate, seconds=sound.seconds, num_mels=sound.n_mels)


def read_recordings(work: PreparedDataset, preparation: AudioPreparation) -> list[Tensor]:
    sounds, waves = work.inputs, list[Tensor]()
    assert isinstance(sounds, AudioFiles)
    with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
        for sound in pool.map(lambda i: read_audio(sounds.paths[i], sample_rate=preparation.rate), work.indices):
            waves.append(torch.from_numpy(sound.samples))
            work.progress(len(waves), len(work.indices))
    return waves
