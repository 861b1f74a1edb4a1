"""Target maps of line detection: three maps of half the page's size.

``baseline``: a stroke along it; ``ends``: an upright stroke where it begins and ends, so that columns are not joined;
``body``: from the baseline up to about the x-height.

Legend: O maps, H and W the page's height and width.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from capas.archive.line_finding.spacing import Floats
from capas.networks.document.line_finder import OUTPUT_STRIDE

MAPS: Final = ("baseline", "ends", "body")
BODY: Final = 0.38  # of the distance between lines
_STROKE: Final = 0.13
_RISE, _FALL = 0.45, 0.15


def target_maps(baselines: Sequence[Floats], spaces: Floats, height: int, width: int) -> NDArray[np.float32]:
    """Return the maps (O, ⌈H/2⌉, ⌈W/2⌉) in [0, 1], each value the covered share of two by two pixels.

    ``spaces`` is the line spacing at each baseline.
    """
    canvases = [Image.new("L", (width + width % OUTPUT_STRIDE, height + height % OUTPUT_STRIDE), 0) for _ in MAPS]
    line_pen, ends_pen, body_pen = (ImageDraw.Draw(canvas) for canvas in canvases)
    for line, space in zip(baselines, spaces.tolist(), strict=True):
        stroke = max(3, round(_STROKE * space))
        points = [(float(x), float(y)) for x, y in line]
        line_pen.line(points, fill=255, width=stroke, joint="curve")
        body_pen.polygon(points + [(x, y - BODY * space) for x, y in reversed(points)], fill=255)
        for x, y in (points[0], points[-1]):
            ends_pen.line([(x, y - _RISE * space), (x, y + _FALL * space)], fill=255, width=stroke + 1)
    return np.stack([np.asarray(canvas.reduce(OUTPUT_STRIDE), dtype=np.float32) / 255 for canvas in canvases])
