"""Images inside the report page: inline PNG, small ones upsampled without smoothing, with a heatmap overlay."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from capas.trust.rendering.blocks import CaptionedImage
from capas.trust.rendering.heatmap_overlay import overlay_heatmap

MIN_SIDE, MAX_SIDE = 112, 320


def image_uri(captioned: CaptionedImage) -> str:
    """Return a captioned image, with its heatmap where it has one, as a PNG data URI."""
    if captioned.heatmap is None:
        return data_uri(captioned.image)
    return data_uri(overlay_heatmap(captioned.image, captioned.heatmap))


def data_uri(image: NDArray[np.uint8]) -> str:
    """Return an image as a PNG data URI, its longer side between 112 and 320 pixels where possible."""
    stream = io.BytesIO()
    fit_for_page(image).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def fit_for_page(picture: NDArray[np.uint8]) -> Image.Image:
    """Upscale small images by whole factors, downscale large ones."""
    image, side = Image.fromarray(picture), max(picture.shape[:2])
    if side < MIN_SIDE:
        times = -(-MIN_SIDE // side)
        return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    if side > MAX_SIDE:
        image.thumbnail((MAX_SIDE, MAX_SIDE))
    return image
