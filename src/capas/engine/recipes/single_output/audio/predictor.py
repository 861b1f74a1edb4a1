"""The input side of trained audio models."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from capas.bundle.export import Exportable
from capas.bundle.export_wrappers import WaveformInput
from capas.core.errors import CapasError
from capas.data.collections import AudioFiles, ExampleCollection
from capas.engine.recipe import Item
from capas.engine.recipes.shared.audio_export import log_mel_layer, random_waveforms, waveform_input
from capas.engine.recipes.shared.audio_items import audio_items
from capas.engine.recipes.shared.forward import DataclassInputAdapter
from capas.engine.recipes.shared.spectrograms import (
    AudioPreparation,
    Spectrograms,
    spectrograms_of,
)


class AudioReader:
    """Reads audio files and waveforms (float32, one-dimensional) for a trained model (``InputReader``).

    Attributes:
        differentiable: Whether the network has gradients to the samples.
    """

    differentiable = True

    def __init__(self, network: nn.Module, preparation: AudioPreparation) -> None:
        self.network = network
        self.preparation = preparation

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return audio_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return Item(name=str(content) if isinstance(content, str | Path) else f"sound {number}", content=content)

    def preprocess(self, item: Item) -> NDArray[np.float32]:
        content = item.content
        if isinstance(content, np.ndarray) and content.dtype == np.float32 and content.ndim == 1:
            return content
        if not isinstance(content, str | Path):
            raise CapasError("not_a_sound_array", where=item.name, received=type(content).__name__)
        return self.preparation.read(Path(content))

    def preprocess_example(self, inputs: ExampleCollection, index: int) -> NDArray[np.float32]:
        assert isinstance(inputs, AudioFiles)
        return self.preparation.read(inputs.paths[index])

    def collate(self, prepared: Sequence[object]) -> Spectrograms:
        return spectrograms_of(cast(Sequence[NDArray[np.float32]], prepared), self.preparation)

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        assert isinstance(self.network, DataclassInputAdapter)
        network = WaveformInput(self.network.network, log_mel_layer(self.preparation))
        waves = [(torch.from_numpy(wave)[None],) for wave in cast(Sequence[NDArray[np.float32]], prepared)]
        noise = random_waveforms(self.preparation, 16)
        return Exportable(
            network=network, inputs=[waveform_input(self.preparation, "batch")], output="outputs", axes=("batch",),
            compared=waves or [(noise,)], count=len(waves) or len(noise),
            facts={"preparation": asdict(self.preparation)},
        )  # fmt: skip
