"""Encoders: catalogue networks without their last layer, so that a classifier can start from what they learnt; and
autoencoders, whose codes are the vectors.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from capas.engine.config import Config
from capas.networks.catalog import create_network, find_entry
from capas.networks.representation.deep_autoencoder import (
    DOCUMENT_LAYERS,
    IMAGE_LAYERS,
    DeepAutoencoder,
    DeepAutoencoderConfig,
    HiddenUnits,
)
from capas.networks.sequence.spectrogram_cnn import SpectrogramCNN, SpectrogramCNNConfig

SPECTROGRAM_HEAD = "classifier"
AUTOENCODER = "deep-autoencoder"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageEncoderSettings:
    """How an image encoder is built again.

    Attributes:
        name: Its network in the catalogue.
        in_channels: 1 or 3.
        image_size: Pixels a side.
        width: Its width; None for the default.
        code: Numbers of an autoencoder's code; None for other networks.
        tied: Whether an autoencoder's decoder has the encoder's weights.
        hidden: An autoencoder's hidden units.
    """

    name: str
    in_channels: int
    image_size: int
    width: int | None
    code: int | None = None
    tied: bool = False
    hidden: HiddenUnits = "logistic"  # what cards without it stand for

    @staticmethod
    def of(config: Config) -> "ImageEncoderSettings":
        """Return those of a resolved configuration."""
        return ImageEncoderSettings(
            name=config.network.name, in_channels=int(config.data.channels), image_size=int(config.data.image_size),
            width=int(config.network.width) or None,
            code=int(config.network.code) if config.network.name == AUTOENCODER else None,
            tied=config.network.tied, hidden="rectified" if config.network.name == AUTOENCODER else "logistic",
        )  # fmt: skip


def image_encoder(settings: ImageEncoderSettings) -> nn.Module:
    """Build an image encoder (B, C, H, W) → (B, D) with fresh weights. Raises CapasError as ``create_network``."""
    if settings.name == AUTOENCODER:
        assert settings.code is not None
        shape = (settings.in_channels, settings.image_size, settings.image_size)
        return DeepAutoencoder(
            DeepAutoencoderConfig(
                shape=shape, layers=IMAGE_LAYERS, code=settings.code, tied=settings.tied, hidden=settings.hidden
            )
        )
    network = create_network(
        settings.name, in_channels=settings.in_channels, num_classes=2, image_size=settings.image_size,
        width=settings.width,
    )  # fmt: skip
    network.set_submodule(find_entry(settings.name).head, nn.Identity())
    return network


@dataclass(frozen=True, kw_only=True, slots=True)
class DocumentEncoderSettings:
    """How an encoder of documents is built again.

    Attributes:
        words: Words of the vocabulary.
        code: Numbers of the code.
        tied: Whether the decoder has the encoder's weights.
    """

    words: int
    code: int
    tied: bool = False

    @staticmethod
    def of(config: Config, words: int) -> "DocumentEncoderSettings":
        """Return those of a resolved configuration and a vocabulary."""
        return DocumentEncoderSettings(words=words, code=int(config.network.code), tied=config.network.tied)


def document_encoder(settings: DocumentEncoderSettings) -> DeepAutoencoder:
    """Build an encoder of documents as shares of words (B, V) → (B, D) with fresh weights."""
    return DeepAutoencoder(
        DeepAutoencoderConfig(
            shape=(settings.words,), layers=DOCUMENT_LAYERS, code=settings.code, tied=settings.tied,
            hidden="rectified", output="softmax",
        )
    )  # fmt: skip


class SpectrogramEncoder(nn.Module):
    """``SpectrogramCNN`` without its last layer, for spectrograms as images (B, 1, M, T)."""

    def __init__(self, network: SpectrogramCNN) -> None:
        super().__init__()
        self.network = network

    def forward(self, images_B1MT: Tensor) -> Tensor:
        """Return features (B, D)."""
        features: Tensor = self.network(images_B1MT[:, 0])
        return features


def spectrogram_encoder(bands: int, width: int) -> SpectrogramEncoder:
    """Build an audio encoder with fresh weights."""
    network = SpectrogramCNN(SpectrogramCNNConfig(num_mels=bands, num_classes=2, width=width))
    network.set_submodule(SPECTROGRAM_HEAD, nn.Identity())
    return SpectrogramEncoder(network)


@torch.no_grad()
def embedding_size(encoder: nn.Module, shape: tuple[int, ...]) -> int:
    """Return D of an encoder for examples of ``shape``, of images (C, H, W)."""
    device = next(encoder.parameters()).device
    training = encoder.training
    size = int(encoder.eval()(torch.zeros(2, *shape, device=device)).shape[1])
    encoder.train(training)
    return size
