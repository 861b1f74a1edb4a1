"""What a medium contributes to learning without labels: the encoder, its inputs, and two views of each example."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Final, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.core.rng import derive_seed
from capas.data.audio.augment import AudioAugmentation
from capas.data.collections import AudioFiles
from capas.data.image.augment import ImageAugmentation, augment_images
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.image.store import ImageStore
from capas.data.image.views import ViewAugmentation, random_view
from capas.engine.config import Config
from capas.engine.recipe import PreparedDataset
from capas.engine.recipes.embedding.encoders import (
    AUTOENCODER,
    ImageEncoderSettings,
    SpectrogramEncoder,
    embedding_size,
    image_encoder,
    spectrogram_encoder,
)
from capas.engine.recipes.shared.image_store import prepare_image_store
from capas.engine.recipes.shared.spectrograms import (
    AudioPreparation,
    audio_augmentation,
    fit_spectrogram_statistics,
    spectrograms_of,
)
from capas.engine.recipes.single_output.audio.data import read_waveforms
from capas.networks.catalog import find_entry, find_other_entry

CROP: Final = 0.7  # 1 − the least area that a view keeps


@runtime_checkable
class EmbeddingInputs(Protocol):
    """The examples of a run in one medium, as images (B, C, H, W): a spectrogram is one of a single channel; or as
    documents (B, V).
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) or (V,)."""

    def encoder(self) -> nn.Module:
        """Build the encoder (B, *shape) → (B, D) with weights drawn from the run's seed."""

    def take(self, positions: Tensor) -> Tensor:
        """Return the examples at ``positions`` as they are, normalised, (B, *shape)."""

    def training_inputs(self, positions: Tensor, rng: torch.Generator) -> Tensor:
        """Return the examples as a method that sees each of them once a step is to see them, (B, *shape)."""

    def view(self, positions: Tensor, rng: torch.Generator) -> Tensor:
        """Return a view of each, varied by ``rng``."""

    def nonempty(self, positions: Tensor) -> Tensor:
        """Return those of ``positions`` whose examples hold anything that the encoder can see."""

    def simpler(self, training: Callable[[], Tensor], code: int) -> Mapping[str, Callable[[Tensor], Tensor]]:
        """Return by name functions that make vectors (B, F) of examples (B, *shape) without a network.

        Args:
            training: Gives training examples (N, …), flat.
            code: Numbers of the encoder's vectors.
        """

    def network_card(self, encoder: nn.Module) -> NetworkCard:
        """Return the description from which ``reopen`` builds the encoder again."""

    def as_json(self) -> Mapping[str, object]:
        """Return the content of ``preparation.json``."""

    def views_as_json(self) -> Mapping[str, object]:
        """Return how views are made, for ``answers.json``."""


class ImageEmbeddingInputs:
    """Images (``EmbeddingInputs``)."""

    def __init__(self, config: Config, store: ImageStore, preparation: ImagePreprocessing) -> None:
        self.config = config
        self.store = store
        self.preparation = preparation
        self.augmentation = view_augmentation(config)

    @staticmethod
    def prepare(work: PreparedDataset) -> "ImageEmbeddingInputs":
        """Read the images of a run. An autoencoder rebuilds pixels in 0..1, which is what it gets."""
        store, preparation = prepare_image_store(work)
        if work.config.network.name == AUTOENCODER:
            channels = preparation.channels
            preparation = replace(preparation, mean=(0.0,) * channels, std=(1.0,) * channels)
        return ImageEmbeddingInputs(work.config, store, preparation)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.preparation.shape

    def encoder(self) -> nn.Module:
        torch.manual_seed(derive_seed(self.config.train.seed, "weights"))
        return image_encoder(ImageEncoderSettings.of(self.config)).train()

    def take(self, positions: Tensor) -> Tensor:
        return self.preparation.normalise(self.store.take(positions))

    def training_inputs(self, positions: Tensor, rng: torch.Generator) -> Tensor:
        """An autoencoder's images are shifted, mirrored and turned, and so is what it is to rebuild."""
        if self.config.network.name != AUTOENCODER:
            return self.take(positions)
        augment = self.config.augment
        moves = ImageAugmentation(crop=float(augment.crop), flip=bool(augment.flip), rotate=augment.rotate)
        return augment_images(self.store.take(positions), self.preparation, moves, rng)

    def view(self, positions: Tensor, rng: torch.Generator) -> Tensor:
        return random_view(self.store.take(positions), self.preparation, self.augmentation, rng)

    def nonempty(self, positions: Tensor) -> Tensor:
        return positions

    def simpler(self, training: Callable[[], Tensor], code: int) -> Mapping[str, Callable[[Tensor], Tensor]]:
        return {"pixels": reduced_pixels}

    def network_card(self, encoder: nn.Module) -> NetworkCard:
        settings = ImageEncoderSettings.of(self.config)
        row = find_other_entry(settings.name) if settings.name == AUTOENCODER else find_entry(settings.name)
        return NetworkCard(
            name=settings.name, settings={**asdict(settings), "embedding_dim": embedding_size(encoder, self.shape)},
            parameters=sum(p.numel() for p in encoder.parameters()), paper=row.paper,
        )  # fmt: skip

    def as_json(self) -> Mapping[str, object]:
        return self.preparation.as_json()

    def views_as_json(self) -> Mapping[str, object]:
        return {"views": asdict(self.augmentation)}


class AudioEmbeddingInputs:
    """Sounds as spectrograms of one length: shorter ones are repeated, of longer ones the middle counts
    (``EmbeddingInputs``).
    """

    def __init__(self, config: Config, waves: list[NDArray[np.float32]], preparation: AudioPreparation) -> None:
        self.config = config
        self.waves = waves
        self.preparation = preparation

    @staticmethod
    def prepare(work: PreparedDataset) -> "AudioEmbeddingInputs":
        """Read the sounds of a run."""
        assert isinstance(work.inputs, AudioFiles)
        sound = work.config.audio
        assert sound.sample_rate != "auto" and sound.seconds != "auto"
        blank = AudioPreparation(rate=sound.sample_rate, seconds=sound.seconds, num_mels=sound.n_mels)
        waves = read_waveforms(work.inputs, work.indices, blank, work.progress)
        train = work.record.positions("train").tolist()
        fitted = fit_spectrogram_statistics([waves[i] for i in train], blank)
        return AudioEmbeddingInputs(work.config, waves, fitted)

    @property
    def shape(self) -> tuple[int, int, int]:
        return (1, self.preparation.num_mels, frames_of(self.preparation))

    def encoder(self) -> SpectrogramEncoder:
        torch.manual_seed(derive_seed(self.config.train.seed, "weights"))
        return spectrogram_encoder(self.preparation.num_mels, int(self.config.network.width)).train()

    def take(self, positions: Tensor) -> Tensor:
        return spectrogram_images([self.waves[i] for i in positions.tolist()], self.preparation)

    def training_inputs(self, positions: Tensor, rng: torch.Generator) -> Tensor:
        return self.take(positions)

    def view(self, positions: Tensor, rng: torch.Generator) -> Tensor:
        waves = [self.waves[i] for i in positions.tolist()]
        return varied_spectrograms(waves, self.preparation, audio_augmentation(self.config), rng)

    def nonempty(self, positions: Tensor) -> Tensor:
        return positions

    def simpler(self, training: Callable[[], Tensor], code: int) -> Mapping[str, Callable[[Tensor], Tensor]]:
        return {"pixels": reduced_pixels}

    def network_card(self, encoder: nn.Module) -> NetworkCard:
        row = find_other_entry(self.config.network.name)
        return NetworkCard(
            name=row.name,
            settings={
                "width": int(self.config.network.width), "embedding_dim": embedding_size(encoder, self.shape),
            },
            parameters=sum(p.numel() for p in encoder.parameters()), paper=row.paper,
        )  # fmt: skip

    def as_json(self) -> Mapping[str, object]:
        return asdict(self.preparation)

    def views_as_json(self) -> Mapping[str, object]:
        return {"views": asdict(audio_augmentation(self.config))}


def reduced_pixels(images: Tensor) -> Tensor:
    """Return images averaged to 16 × 16, flat."""
    return nn.functional.adaptive_avg_pool2d(images, 16).flatten(1)


def view_augmentation(config: Config) -> ViewAugmentation:
    """Return how strongly the two views of an image differ, as ``config`` asks.

    ``augment.crop`` is the share of an image that a crop may cut off; for an autoencoder, which learns from no crops,
    it is the shift of its training images, and its test has the usual views.
    """
    augment = config.augment
    crop = CROP if config.network.name == AUTOENCODER else float(augment.crop)
    return ViewAugmentation(
        min_area=1 - crop, flip=bool(augment.flip), colour=float(augment.colour),
        grey=0.2 if int(config.data.channels) == 3 and float(augment.colour) else 0.0,
    )  # fmt: skip


def frames_of(preparation: AudioPreparation) -> int:
    """Return the number of frames of a spectrogram of the full length."""
    return max(1, round(preparation.seconds * preparation.rate) // preparation.mel.hop)


def spectrogram_images(waves: Sequence[NDArray[np.float32]], preparation: AudioPreparation) -> Tensor:
    """Return the spectrograms (B, 1, M, T) of waveforms, each brought to the full length."""
    length = round(preparation.seconds * preparation.rate)
    full = [_repeated(wave, length)[:length] for wave in waves]
    return spectrograms_of(full, preparation).values[:, None, :, : frames_of(preparation)]


def varied_spectrograms(
    waves: Sequence[NDArray[np.float32]], preparation: AudioPreparation, augmentation: AudioAugmentation,
    rng: torch.Generator,
) -> Tensor:  # fmt: skip
    """Return the spectrograms (B, 1, M, T) of a random stretch of each waveform, varied by ``rng``."""
    parts = [_random_part(wave, preparation, rng) for wave in waves]
    return spectrograms_of(parts, preparation, augmentation, rng).values[:, None, :, : frames_of(preparation)]


def _repeated(wave: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """A waveform repeated until it has the length: padding with silence would teach how long it was."""
    if len(wave) == 0:
        return np.zeros(length, np.float32)
    return wave if len(wave) >= length else np.resize(wave, length).astype(np.float32)


def _random_part(wave: NDArray[np.float32], preparation: AudioPreparation, rng: torch.Generator) -> NDArray[np.float32]:
    """A stretch of half to all of a waveform, at a random place, repeated to the full length."""
    length = round(preparation.seconds * preparation.rate)
    share, place = torch.rand(2, generator=rng).tolist()
    part = max(1, round(len(wave) * (0.5 + 0.5 * share)))
    start = int(place * (len(wave) - part + 1)) if len(wave) > part else 0
    return _repeated(wave[start : start + part], length)[:length]
