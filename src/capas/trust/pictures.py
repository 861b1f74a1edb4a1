"""Pictures inside a page: as PNG data, enlarged without smoothing where they are small, with heat laid over them."""

import base64
import io
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from capas.trust.blocks import Shown

LEAST_SIDE, MOST_SIDE = 112, 320
HEAT = 0.65
# Black, violet, orange, yellow: even in lightness, and told apart by everyone (after matplotlib's inferno).
_STOPS = ((0.0, (0, 0, 4)), (0.25, (87, 16, 110)), (0.5, (188, 55, 84)), (0.75, (249, 142, 9)), (1.0, (252, 255, 164)))


def picture_html(shown: Shown) -> str:
    """A figure with its caption."""
    picture = overlaid(shown.picture, shown.heat) if shown.heat is not None else shown.picture
    return (
        f'<figure class="shown"><img alt="{escape(shown.caption, quote=True)}" src="{data_uri(picture)}"/>'
        f"<figcaption>{escape(shown.caption)}</figcaption></figure>"
    )


def data_uri(picture: NDArray[np.uint8]) -> str:
    """A picture as text, PNG, between 112 and 320 pixels long where that is possible."""
    stream = io.BytesIO()
    fitted(picture).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def fitted(picture: NDArray[np.uint8]) -> Image.Image:
    """Small pictures in whole multiples of their pixels, large ones reduced."""
    image, side = Image.fromarray(picture), max(picture.shape[:2])
    if side < LEAST_SIDE:
        times = -(-LEAST_SIDE // side)
        return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    if side > MOST_SIDE:
        image.thumbnail((MOST_SIDE, MOST_SIDE))
    return image


def overlaid(picture: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """``picture`` in grey with ``heat`` (0..1, the same height and width) over it in colour."""
    grey = picture if picture.ndim == 2 else np.asarray(Image.fromarray(picture).convert("L"))
    strength = (HEAT * np.clip(heat, 0, 1))[..., None]
    mixed = grey[..., None] * (1 - strength) + coloured(heat) * strength
    result: NDArray[np.uint8] = mixed.round().astype(np.uint8)
    return result


def coloured(heat: NDArray[np.float32]) -> NDArray[np.float64]:
    """0..1, H×W → colours 0..255, H×W×3."""
    places = [place for place, _ in _STOPS]
    channels = [np.interp(np.clip(heat, 0, 1), places, [colour[c] for _, colour in _STOPS]) for c in range(3)]
    return np.stack(channels, axis=-1)
