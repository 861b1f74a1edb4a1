"""Pretrained encoders from pip packages, and encoders without anything learnt that show what learning is worth."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.core.errors import CapasError
from capas.core.files import content_hash
from capas.core.spec import Medium
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.text.wordpiece import WordPieceTokenizer
from capas.engine.encoders.encoder import Encoder
from capas.engine.recipe import Item
from capas.engine.recipes.shared.image_items import read_image_item
from capas.engine.recipes.shared.image_store import PRETRAINED_MEAN, PRETRAINED_STD
from capas.engine.recipes.shared.spectrograms import AudioPreparation, spectrograms_of
from capas.engine.recipes.shared.text_items import read_text_item
from capas.engine.recipes.single_output.text.encodings import SentenceEmbeddingEncoding
from capas.networks.sequence.minilm import WEIGHTS_SHA256, minilm_weights_installed
from capas.networks.vision.efficientnet_weights import LITE0_SHA256, lite0_weights_installed, pretrained_lite0

LITE0: Final = "efficientnet-lite0"
MINILM: Final = "text-minilm"
PIXELS: Final = "pixels"
MEL: Final = "mel-statistics"
_SIDE: Final = 224
_SIDES: Final = (64, 512)


class ImageEncoder:
    """Images of one size, prepared as ``preparation`` says, through ``network`` (``Encoder``); ``weights`` is a hash of
    its weights.
    """

    media: tuple[Medium, ...] = ("image",)

    def __init__(self, name: str, weights: str, preparation: ImagePreprocessing, network: nn.Module) -> None:
        self.name = name
        self.preparation = preparation
        self.network = network.eval()
        self.fingerprint = content_hash(f"{weights} {preparation.as_json()}".encode())

    def preprocess(self, content: object, name: str) -> Tensor:
        pixels = self.preparation.fit_image(read_image_item(Item(name=name, content=content)))
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1)

    @torch.no_grad()
    def encode(self, prepared: Sequence[object]) -> NDArray[np.float32]:
        images = self.preparation.normalise(torch.stack([one for one in prepared if isinstance(one, Tensor)]))
        rows: NDArray[np.float32] = self.network(images).flatten(1).numpy()
        return rows


def lite0_encoder(name: str = LITE0) -> ImageEncoder:
    """EfficientNet-Lite0's 1,280 pooled features, of images of 224 pixels, or of SIDE for "efficientnet-lite0@SIDE".

    Raises CapasError ``weights_missing`` or ``encoder_side``.
    """
    side = _side(name)
    network = pretrained_lite0()
    network.set_submodule("classifier", nn.Flatten())
    preparation = ImagePreprocessing(
        height=side, width=side, channels=3, mean=(PRETRAINED_MEAN,) * 3, std=(PRETRAINED_STD,) * 3, fit="crop"
    )
    return ImageEncoder(name, LITE0_SHA256, preparation, network)


def _side(name: str) -> int:
    _, at, side = name.partition("@")
    if not at:
        return _SIDE
    if not side.isdecimal() or not _SIDES[0] <= int(side) <= _SIDES[1]:
        raise CapasError("encoder_side", where=name, received=side, low=_SIDES[0], high=_SIDES[1])
    return int(side)


def pixels_encoder(name: str = PIXELS) -> ImageEncoder:
    """The grey values of an image at 32 × 32."""
    return ImageEncoder(name, PIXELS, ImagePreprocessing(height=32, width=32, channels=1, fit="squash"),
                         nn.Flatten())  # fmt: skip


class MiniLMEncoder:
    """all-MiniLM-L6-v2: 384 numbers of length one for the first 256 word pieces of an English text (``Encoder``).

    Attributes:
        truncated: Texts so far that have more.
    """

    media: tuple[Medium, ...] = ("text",)

    def __init__(self, name: str = MINILM) -> None:
        self.name = name
        self.fingerprint = content_hash(WEIGHTS_SHA256.encode())
        self._encoding = SentenceEmbeddingEncoding.open()
        pieces = self._encoding.pieces
        self._one_more = WordPieceTokenizer(list(pieces.ids), max_tokens=pieces.longest + 1)
        self._counting = Lock()
        self.truncated = 0

    def preprocess(self, content: object, name: str) -> str:
        text = read_text_item(Item(name=name, content=content))
        if len(self._one_more.encode(text)) > self._encoding.pieces.longest:
            with self._counting:  # examples are read by several threads
                self.truncated += 1
        return text

    def encode(self, prepared: Sequence[object]) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = self._encoding.encode([str(text) for text in prepared]).embeddings.numpy()
        return rows


class MelStatisticsEncoder:
    """Mean and deviation over time of 64 log-mel bands of the first ten seconds at 16 kHz (``Encoder``): nothing in it
    is learnt.
    """

    media: tuple[Medium, ...] = ("audio",)

    def __init__(self, name: str = MEL) -> None:
        self.name = name
        self.preparation = AudioPreparation(rate=16_000, seconds=10.0, num_mels=64)
        self.fingerprint = content_hash(repr(self.preparation).encode())

    def preprocess(self, content: object, name: str) -> NDArray[np.float32]:
        if isinstance(content, np.ndarray) and content.dtype == np.float32 and content.ndim == 1:
            return content
        if not isinstance(content, str | Path):
            raise CapasError("not_a_sound_array", where=name, received=type(content).__name__)
        return self.preparation.read(Path(content))

    def encode(self, prepared: Sequence[object]) -> NDArray[np.float32]:
        rows = []
        for wave in prepared:
            assert isinstance(wave, np.ndarray)
            values = spectrograms_of([wave], self.preparation).values[0]
            rows.append(torch.cat([values.mean(1), values.std(1, correction=0)]))
        return torch.stack(rows).numpy()


# What each is opened by; a name may be followed by "@…".
PRETRAINED: Final[Mapping[str, Callable[[str], Encoder]]] = {
    LITE0: lite0_encoder, MINILM: MiniLMEncoder, PIXELS: pixels_encoder, MEL: MelStatisticsEncoder,
}  # fmt: skip


def default_encoder_name(medium: Medium) -> str:
    """Return the encoder for data of a medium when none is named. Raises CapasError ``no_default_encoder``."""
    if medium == "image":
        return LITE0 if lite0_weights_installed() else PIXELS
    if medium == "audio":
        return MEL
    if medium == "text" and minilm_weights_installed():
        return MINILM
    raise CapasError("no_default_encoder", where=medium)
