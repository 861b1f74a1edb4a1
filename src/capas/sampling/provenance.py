"""What a generated image says of itself."""

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from capas.version import __version__


def png_with_provenance(pixels: NDArray[np.uint8], provenance: Mapping[str, str]) -> bytes:
    """Return a PNG whose text fields say that Capas generated it, and ``provenance`` under names that begin with
    "capas:".
    """
    info = PngInfo()
    info.add_text("Software", f"Capas {__version__}")
    # The term of IPTC's vocabulary for what a trained network made.
    info.add_text("DigitalSourceType", "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia")
    for name, value in provenance.items():
        info.add_itxt(f"capas:{name}", value)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", pnginfo=info)
    return stream.getvalue()
