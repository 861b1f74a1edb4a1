"""The input side of trained heads on the vectors of sounds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.bundle.export import Exportable
from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.audio.io import read_audio
from capas.data.collections import AudioFiles, ExampleCollection
from capas.engine.encoders.hub_encoder import MAX_SECONDS, HubEncoder
from capas.engine.recipe import Item
from capas.engine.recipes.shared.spectrograms import AudioPreparation
from capas.engine.recipes.single_output.audio.predictor import AudioReader

NUM_MELS: Final = 64


def hub_audio_preparation(encoder: HubEncoder) -> AudioPreparation:
    """Return the sample rate and the longest duration that an encoder reads; the mel bands serve for display and for
    the linear baseline.
    """
    rate = int(encoder.processors["audio"].sampling_rate)
    return AudioPreparation(rate=rate, seconds=MAX_SECONDS, num_mels=NUM_MELS)


def read_beginning(path: Path, preparation: AudioPreparation) -> NDArray[np.float32]:
    """Return the first 30 s of an audio file, as ``capas embed`` reads it. Raises CapasError."""
    return read_audio(path, sample_rate=preparation.rate).samples[: round(preparation.seconds * preparation.rate)]


class HubAudioReader(AudioReader):
    """Reads sounds for a head on the vectors of an encoder, which is computed outside the network."""

    differentiable = False

    def __init__(self, head: nn.Module, encoder: HubEncoder) -> None:
        super().__init__(head, hub_audio_preparation(encoder))
        self.encoder = encoder

    def preprocess(self, item: Item) -> NDArray[np.float32]:
        if isinstance(item.content, str | Path):
            return read_beginning(Path(item.content), self.preparation)
        return super().preprocess(item)

    def preprocess_example(self, inputs: ExampleCollection, index: int) -> NDArray[np.float32]:
        assert isinstance(inputs, AudioFiles)
        return read_beginning(inputs.paths[index], self.preparation)

    def collate(self, prepared: Sequence[object]) -> Float[Tensor, "B D"]:  # type: ignore[override]
        waves = cast(Sequence[NDArray[np.float32]], prepared)
        return torch.from_numpy(self.encoder.encode([self.encoder.preprocess(wave, "") for wave in waves]))

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        raise CapasError("export_not_possible", received=self.encoder.name, reason=say("export.encoder_apart"))
