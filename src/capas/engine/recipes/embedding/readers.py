"""The input sides of trained encoders, which can also vary an input as training did."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Protocol, cast, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.bundle.export import Exportable, ExportInput
from capas.data.audio.augment import AudioAugmentation
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.image.views import ViewAugmentation, random_view
from capas.engine.recipes.embedding.inputs import frames_of, spectrogram_images, varied_spectrograms
from capas.engine.recipes.shared.spectrograms import AudioPreparation
from capas.engine.recipes.single_output.audio.predictor import AudioReader
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.engine.recipes.single_output.inputs import InputReader


@runtime_checkable
class EmbeddingReader(InputReader[Tensor], Protocol):
    """The input side of an encoder."""

    def views(self, prepared: Sequence[object], rng: torch.Generator) -> Tensor:
        """Return a view of each preprocessed input as a batch for the network, varied by ``rng``."""

    def is_empty(self, prepared: object) -> bool:
        """Return whether a preprocessed example of a dataset holds nothing that the network can see."""


class ImageEmbeddingReader(ImageReader):
    """Images (``EmbeddingReader``)."""

    def __init__(self, network: nn.Module, preparation: ImagePreprocessing, augmentation: ViewAugmentation) -> None:
        super().__init__(network, preparation)
        self.augmentation = augmentation

    def views(self, prepared: Sequence[object], rng: torch.Generator) -> Tensor:
        images = torch.stack([one for one in prepared if isinstance(one, Tensor)])
        return random_view(images, self.preparation, self.augmentation, rng)

    def is_empty(self, prepared: object) -> bool:
        return False


class AudioEmbeddingReader(AudioReader):
    """Sounds as spectrograms of one length (``EmbeddingReader``)."""

    def __init__(self, network: nn.Module, preparation: AudioPreparation, augmentation: AudioAugmentation) -> None:
        super().__init__(network, preparation)
        self.augmentation = augmentation

    def collate(self, prepared: Sequence[object]) -> Tensor:  # type: ignore[override]
        return spectrogram_images(cast(Sequence[NDArray[np.float32]], prepared), self.preparation)

    def views(self, prepared: Sequence[object], rng: torch.Generator) -> Tensor:
        waves = cast(Sequence[NDArray[np.float32]], prepared)
        return varied_spectrograms(waves, self.preparation, self.augmentation, rng)

    def is_empty(self, prepared: object) -> bool:
        return False

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        rng = torch.Generator().manual_seed(0)
        shape = (1, self.preparation.num_mels, frames_of(self.preparation))
        noise = torch.randn(16, *shape, generator=rng)
        given = self.collate(prepared) if prepared else noise
        spectrogram = ExportInput(
            name="spectrograms", axes=("batch", *shape), example=noise[:2], values="standardised log-mel values"
        )
        return Exportable(
            network=self.network, inputs=[spectrogram], output="outputs", axes=("batch",), compared=[(given,)],
            count=len(given), facts={"preparation": asdict(self.preparation)},
        )  # fmt: skip
