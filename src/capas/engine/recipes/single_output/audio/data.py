"""Decoded waveforms for training."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.core.device import physical_cores
from capas.data.batch import Batch, batches_with_targets
from capas.data.collections import AudioFiles
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.recipe import TrainingBatches
from capas.engine.recipes.shared.batches import training_sampler
from capas.engine.recipes.shared.spectrograms import (
    AudioPreparation,
    Spectrograms,
    audio_augmentation,
    spectrograms_of,
)
from capas.engine.recipes.single_output.audio.defaults import NAME
from capas.engine.recipes.single_output.audio.network import HEAD, build_network
from capas.engine.recipes.single_output.linear_baseline import DENSE_BASELINE
from capas.networks.catalog import find_other_entry


class PreparedAudioInputs:
    """The waveforms of a run, decoded once and held in memory (``PreparedInputs``)."""

    baseline = DENSE_BASELINE

    def __init__(
        self, config: Config, names: Sequence[str], waves: list[NDArray[np.float32]], preparation: AudioPreparation
    ) -> None:
        self.config = config
        self.waves = waves
        self.preparation = preparation
        self._names = names

    @property
    def head(self) -> str | None:
        return HEAD if self.config.network.init_from else None

    def network(self, num_outputs: int) -> nn.Module:
        return build_network(self.config, num_outputs)

    def network_card(self, network: nn.Module, num_outputs: int) -> NetworkCard:
        settings = {"width": int(self.config.network.width), "num_classes": num_outputs}
        parameters = sum(p.numel() for p in network.parameters())
        return NetworkCard(name=NAME, settings={**settings}, parameters=parameters, paper=find_other_entry(NAME).paper)

    def training(self, targets: Tensor, positions: Tensor, ranks: Ranks) -> TrainingBatches[Batch[Spectrograms]]:
        augmentation = audio_augmentation(self.config)

        def make(chosen: Tensor, rng: torch.Generator) -> Spectrograms:
            return spectrograms_of([self.waves[i] for i in chosen.tolist()], self.preparation, augmentation, rng)

        lengths = torch.tensor([len(self.waves[i]) for i in positions.tolist()])
        return batches_with_targets(
            training_sampler(self.config, positions, ranks, lengths=lengths), self._names, targets, make
        )

    def take(self, positions: Tensor) -> Spectrograms:
        return spectrograms_of([self.waves[i] for i in positions.tolist()], self.preparation)

    def features(self, positions: Tensor) -> Float[Tensor, "N D"]:
        """Return mean and deviation of every mel band over time, and the duration in seconds."""
        return torch.stack([mel_statistics(self.waves[i], self.preparation) for i in positions.tolist()])

    def as_json(self) -> Mapping[str, object]:
        return asdict(self.preparation)


def mel_statistics(wave: NDArray[np.float32], preparation: AudioPreparation) -> Float[Tensor, " D"]:
    """Return mean and deviation of every mel band of a waveform over time, and its duration in seconds."""
    values = spectrograms_of([wave], preparation).values[0]
    duration = torch.tensor([len(wave) / preparation.rate])
    return torch.cat([values.mean(1), values.std(1, correction=0), duration])


def read_waveforms(
    sounds: AudioFiles, indices: Sequence[int], preparation: AudioPreparation, progress: Callable[[int, int], None]
) -> list[NDArray[np.float32]]:
    """Decode the audio files ``indices`` on all physical cores. Raises CapasError for one that cannot be read."""
    waves = []
    with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
        for wave in pool.map(lambda i: preparation.read(sounds.paths[i]), indices):
            waves.append(wave)
            progress(len(waves), len(indices))
    return waves
