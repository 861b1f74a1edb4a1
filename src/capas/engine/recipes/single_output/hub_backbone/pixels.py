"""How a model in Hugging Face's format prepares images, as pixels of one size and a normalisation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.data.image.preprocess import FitMode, ImagePreprocessing
from capas.engine.encoders.hub_encoder import HubEncoder
from capas.engine.recipes.shared.image_items import with_channels

PROBE = (40, 56, 3)  # neither square nor of any model's size
TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class HubPixels(ImagePreprocessing):
    """The resizing of a model's own image processor, and its normalisation.

    Attributes:
        processor: The image processor of ``transformers``.
        margin: Side of the resized image as a multiple of that of the centre crop, 1 or more.
    """

    processor: Any
    margin: float = 1.0

    def fit_image(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize an image (H, W, C), C = 1 or 3, to (height, width, 3), uint8, as the processor does."""
        return _resized(self.processor, picture)

    def stretches(self, height: int, width: int) -> tuple[tuple[float, float], tuple[float, float]]:
        """See ``ImagePreprocessing``."""
        (top, tall), (left, wide) = super().stretches(height, width)
        inner_tall, inner_wide = tall / self.margin, wide / self.margin
        return (top + (tall - inner_tall) / 2, inner_tall), (left + (wide - inner_wide) / 2, inner_wide)

    def as_json(self) -> dict[str, object]:
        """Return plain values that describe it; the processor itself is of the encoder."""
        return {
            "height": self.height, "width": self.width, "channels": self.channels, "mean": list(self.mean),
            "std": list(self.std), "fit": self.fit,
        }  # fmt: skip


def hub_pixels(encoder: HubEncoder) -> HubPixels:
    """Return the preparation of an encoder of images.

    Raises:
        CapasError: ``hub_pixels_unlike`` where it prepares images in another way than by resizing and normalisation,
            as models do that take images of any size.
    """
    processor = encoder.processors["image"]
    picture = np.random.default_rng(0).integers(0, 256, PROBE, dtype=np.uint8)
    whole = encoder.preprocess(picture, "")
    if not isinstance(whole, Mapping) or list(whole) != ["pixel_values"]:
        received = ", ".join(whole) if isinstance(whole, Mapping) else type(whole).__name__
        raise CapasError("hub_pixels_unlike", where=encoder.name, received=received)
    expected = whole["pixel_values"]
    try:
        pixels = _resized(processor, picture)
        mean, std = _statistics(processor)
        fit, margin = _geometry(processor, pixels.shape[0])
        made = HubPixels(
            height=pixels.shape[0], width=pixels.shape[1], channels=3, mean=mean, std=std, fit=fit, margin=margin,
            processor=processor,
        )  # fmt: skip
        found = made.normalise(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None])
    except (ValueError, TypeError) as error:
        raise CapasError("hub_pixels_unlike", where=encoder.name, received=str(error)[:200]) from error
    if found.shape != expected.shape or not torch.allclose(found, expected, atol=TOLERANCE):
        raise CapasError("hub_pixels_unlike", where=encoder.name, received=type(processor).__name__)
    return made


def _resized(processor: Any, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    found = processor(
        images=with_channels(picture, 3), do_rescale=False, do_normalize=False, return_tensors="np",
        input_data_format="channels_last",
    )["pixel_values"][0]  # fmt: skip
    pixels: NDArray[np.uint8] = np.clip(np.rint(found), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return pixels


def _statistics(processor: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel, in 0..1."""
    if not getattr(processor, "do_normalize", True):
        return (0.0,) * 3, (1.0,) * 3
    mean, std = (tuple(map(float, getattr(processor, f"image_{name}"))) for name in ("mean", "std"))
    return mean, std


def _geometry(processor: Any, height: int) -> tuple[FitMode, float]:
    """Whether the aspect ratio is kept, and how much more than the crop is resized."""
    if not getattr(processor, "do_center_crop", False):
        return "squash", 1.0
    size = processor.size
    edge = size.get("shortest_edge") if hasattr(size, "get") else None
    return "crop", max(1.0, float(edge or height) / height)
