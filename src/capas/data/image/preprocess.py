"""Image preprocessing: resizing to one size as uint8, and normalisation batch by batch.

It is part of the trained model: prediction prepares an image exactly as training did.

Shapes: B = batch, H×W = the prepared size, C = 1 (grey) or 3 (RGB).
"""

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Final, Literal, Protocol, get_args, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Num
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.i18n import say

FitMode = Literal["crop", "squash", "pad"]
_CHUNK: Final = 1024
_MIN_STD: Final = 1 / 255  # a set of constant pictures must not divide by zero


@runtime_checkable
class PreprocessedImages(Protocol):
    """Prepared images, uint8 (C, H, W) each, whose normalisation is fitted."""

    def __len__(self) -> int: ...

    def take(self, positions: Tensor) -> Tensor:
        """Return the images at ``positions``, uint8 (B, C, H, W)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagePreprocessing:
    """Target size and normalisation of images.

    Attributes:
        height: Height in pixels.
        width: Width in pixels.
        channels: 1 (grey) or 3 (RGB).
        mean: Mean per channel in units of 0..1.
        std: Standard deviation per channel in units of 0..1.
        fit: "crop" keeps the aspect ratio and crops the long side; "squash" keeps everything and gives up the aspect
            ratio; "pad" keeps both and pads with the median colour of the image's border.

    Raises:
        CapasError: ``preparation_invalid``.
    """

    height: int
    width: int
    channels: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    fit: FitMode = "crop"

    def __post_init__(self) -> None:
        if not (1 <= self.height <= 8192 and 1 <= self.width <= 8192):
            raise _invalid(f"{self.height}×{self.width}", say("preparation.rules.size"))
        # Unmeasured statistics are those of pixels spread evenly over their range.
        object.__setattr__(self, "mean", tuple(self.mean) or (0.5,) * self.channels)
        object.__setattr__(self, "std", tuple(self.std) or (0.29,) * self.channels)
        if self.channels not in (1, 3) or len(self.mean) != self.channels or len(self.std) != self.channels:
            raise _invalid(f"channels = {self.channels}", say("preparation.rules.channels"))
        if not (all(0 <= m <= 1 for m in self.mean) and all(0 < s < float("inf") for s in self.std)):
            raise _invalid(f"mean = {self.mean}, std = {self.std}", say("preparation.rules.statistics"))
        if self.fit not in get_args(FitMode):
            raise _invalid(f"fit = {self.fit}", say("preparation.rules.fit"))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width), as tensors have it."""
        return self.channels, self.height, self.width

    def fit_image(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize an image (H, W, C), C = 1 or 3, to (height, width, channels), uint8, bilinear with antialiasing."""
        if picture.shape == (self.height, self.width, self.channels):
            return picture
        image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
        image = image.convert("L" if self.channels == 1 else "RGB")
        fitted = np.array(self._fit(image), dtype=np.uint8)
        return fitted[..., np.newaxis] if self.channels == 1 else fitted

    def normalise(self, images: Num[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return (x/255 − mean) / std of images (B, C, H, W) in 0..255, float32, channels last, on the same device."""
        scale = [1 / (255 * std) for std in self.std]
        shift = [-mean / std for mean, std in zip(self.mean, self.std, strict=True)]
        floats = images.to(torch.float32, copy=True)
        if self.channels == 1:
            return floats.mul_(scale[0]).add_(shift[0]).contiguous(memory_format=torch.channels_last)
        parts = torch.tensor([scale, shift], device=images.device).view(2, 1, self.channels, 1, 1)
        # Reordered last: with three channels innermost, the two products take twice as long.
        return floats.mul_(parts[0]).add_(parts[1]).contiguous(memory_format=torch.channels_last)

    def fit_normalisation(self, pictures: PreprocessedImages, positions: Tensor | None = None) -> "ImagePreprocessing":
        """Return the same preprocessing with mean and std of these images' pixels (of all, unless ``positions``).

        Computed exactly, so the order of the images changes nothing. Give the training positions only.
        """
        wanted = torch.arange(len(pictures)) if positions is None else positions
        counts = torch.zeros(self.channels, 256, dtype=torch.int64)
        for start in range(0, len(wanted), _CHUNK):
            images = pictures.take(wanted[start : start + _CHUNK])
            counts += torch.stack([images[:, c].flatten().bincount(minlength=256) for c in range(self.channels)])
        shares = counts.double() / counts.sum(1, keepdim=True).clamp(min=1)
        levels = torch.arange(256, dtype=torch.float64) / 255
        mean = shares @ levels
        std = ((levels - mean[:, None]).square() * shares).sum(1).sqrt().clamp(min=_MIN_STD)
        return replace(self, mean=_rounded(mean), std=_rounded(std))

    def as_json(self) -> dict[str, object]:
        """Return plain values for a bundle; ``from_json`` reads them back equal."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @staticmethod
    def from_json(value: Mapping[str, object], *, where: str = "") -> "ImagePreprocessing":
        """Read what ``as_json`` gave. Raises CapasError ``preparation_unknown_key`` or ``preparation_invalid``."""
        names = [field.name for field in fields(ImagePreprocessing)]
        for key in value:
            if key not in names:
                nearest = difflib.get_close_matches(key, names, n=1, cutoff=0)[0]
                available = ", ".join(names)
                raise CapasError(
                    "preparation_unknown_key", where=where, received=key, nearest=nearest, available=available
                )
        return ImagePreprocessing(
            height=_whole(value, "height", where),
            width=_whole(value, "width", where),
            channels=_whole(value, "channels", where),
            mean=_numbers(value, "mean", where),
            std=_numbers(value, "std", where),
            fit=_fit_name(value, where),
        )

    def stretches(self, height: int, width: int) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the part of an image of this size that the prepared one shows: (start, length) in pixels, vertical,
        horizontal.

        Beyond the image's ends where it is padded.
        """
        if self.fit == "squash":
            return (0.0, height), (0.0, width)
        if self.fit == "crop":
            scale = min(width / self.width, height / self.height)
            tall, wide = scale * self.height, scale * self.width
            return ((height - tall) / 2, tall), ((width - wide) / 2, wide)
        inner_height, inner_width = self._inner(height, width)
        top, left = (self.height - inner_height) // 2, (self.width - inner_width) // 2
        down, across = height / inner_height, width / inner_width
        return (-top * down, self.height * down), (-left * across, self.width * across)

    def _fit(self, image: Image.Image) -> Image.Image:
        if self.fit == "pad":
            return self._padded(image)
        # The box is cut while resizing: resizing a 1×50,000 strip first would need its square in memory.
        (top, tall), (left, wide) = self.stretches(image.height, image.width)
        box = (left, top, left + wide, top + tall)
        return image.resize((self.width, self.height), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)

    def _inner(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the image within its padding."""
        scale = min(self.width / width, self.height / height)
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _padded(self, image: Image.Image) -> Image.Image:
        height, width = self._inner(image.height, image.width)
        inner = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0))
        border = np.concatenate([inner[0], inner[-1], inner[:, 0], inner[:, -1]])
        canvas = np.empty((self.height, self.width, *inner.shape[2:]), dtype=np.uint8)
        canvas[:] = np.median(border, axis=0).astype(np.uint8)
        top, left = (self.height - height) // 2, (self.width - width) // 2
        canvas[top : top + height, left : left + width] = inner
        return Image.fromarray(canvas)


def _rounded(values: Tensor) -> tuple[float, ...]:
    """Six decimals: more would only lengthen the card."""
    return tuple(round(float(value), 6) for value in values)


def _invalid(received: str, rule: str, where: str = "") -> CapasError:
    return CapasError("preparation_invalid", where=where, received=received, rule=rule)


def _whole(value: Mapping[str, object], key: str, where: str) -> int:
    found = value.get(key)
    if not isinstance(found, int) or isinstance(found, bool):
        raise _invalid(f"{key} = {found!r}", say("preparation.rules.types"), where)
    return found


def _numbers(value: Mapping[str, object], key: str, where: str) -> tuple[float, ...]:
    found = value.get(key)
    if not isinstance(found, list) or not found:
        raise _invalid(f"{key} = {found!r}", say("preparation.rules.types"), where)
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in found):
        raise _invalid(f"{key} = {found!r}", say("preparation.rules.types"), where)
    return tuple(float(number) for number in found)


def _fit_name(value: Mapping[str, object], where: str) -> FitMode:
    found = value.get("fit")
    for name in get_args(FitMode):
        if found == name:
            fit: FitMode = name
            return fit
    raise _invalid(f"fit = {found!r}", say("preparation.rules.types"), where)
