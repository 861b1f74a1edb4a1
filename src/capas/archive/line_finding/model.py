"""The line finder that ships with Capas: from a page image to its lines in reading order.

The page is reduced to about 760 × 1,000 pixels; where its lines then stand too close together or too far apart for the
network, a second pass runs at the right scale.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from capas.archive.line_finding.maps import first_scale, normalised_ink, predicted_maps, reduced_grey
from capas.archive.line_finding.outlines import line_outlines
from capas.archive.line_finding.spacing import Floats, spacings
from capas.archive.line_finding.trace import TracedBaseline, trace_baselines
from capas.networks.document.line_finder import OUTPUT_STRIDE, LineFinderConfig, LineFinderNet
from capas.page_formats.layout.reading_order import sort_reading_order
from capas.page_formats.layout.regions import assign_regions
from capas.page_formats.page import Line, Points, clip_to_page

WEIGHTS: Final = Path(__file__).parent / "weights.safetensors"
# Pixels between lines that the network reads best, and how far off is looked at again.
BEST: Final = 24.0
CLOSE, APART = 17.0, 42.0
MOST_PIXELS: Final = 3_000_000
# On the validation pages every true line was above 0.89, every false one below 0.75. Less sure ones still tell how far
# apart lines stand, on a page that was looked at too small.
SURE: Final = 0.75
_LEAST_SIDE: Final = 8
_FEW: Final = 3  # lines that say how far apart they stand


class LineFinder:
    """Detects lines with a ``LineFinderNet``."""

    def __init__(self, network: LineFinderNet) -> None:
        self.network = network.eval()

    @classmethod
    def open(cls, weights: Path = WEIGHTS) -> "LineFinder":
        """Load the weights that ship, or others of ``train``."""
        network = LineFinderNet(LineFinderConfig())
        state = load_file(weights)
        network.load_state_dict({name: value.float() if value.is_floating_point() else value
                                 for name, value in state.items()})  # fmt: skip
        return cls(network)

    def find(self, picture: NDArray[np.uint8]) -> tuple[Line, ...]:
        """Return the lines of a page (uint8 (H, W) or (H, W, 3), any size) in reading order; () where there are none.

        They have no text, but outlines, regions (``page_formats.layout.regions``) and confidences.
        """
        height, width = picture.shape[:2]
        if min(height, width) < _LEAST_SIDE:
            return ()
        scale = first_scale(height, width)
        grey, traces = self._traced(picture, scale)
        again = _better_scale(traces, scale, height, width)
        if again is not None:
            scale = again
            grey, traces = self._traced(picture, scale)
        traces = [trace for trace in traces if trace.confidence >= SURE]
        baselines = [trace.points * OUTPUT_STRIDE + (OUTPUT_STRIDE - 1) / 2 for trace in traces]
        around = line_outlines(normalised_ink(grey), baselines, spacings(baselines, len(grey)))
        by = np.array([width / grey.shape[1], height / grey.shape[0]])
        lines = [
            Line(id="", baseline=_points((line + 0.5) * by, width, height),
                 polygon=_points(outline * by, width, height), confidence=round(trace.confidence, 3))
            for line, outline, trace in zip(baselines, around, traces, strict=True)
        ]  # fmt: skip
        return _numbered(assign_regions(sort_reading_order(lines)))

    def _traced(self, picture: NDArray[np.uint8], scale: float) -> tuple[NDArray[np.uint8], list[TracedBaseline]]:
        grey = reduced_grey(picture, scale)
        maps = predicted_maps(self.network, grey)
        return grey, trace_baselines(maps[0], maps[1])


def _better_scale(traces: list[TracedBaseline], scale: float, height: int, width: int) -> float | None:
    """The scale at which the lines stand ``BEST`` apart, where they are far from it now; None where they are not, or
    where there are too few to tell."""
    if len(traces) < _FEW:
        return None
    now = float(np.median(spacings([trace.points * OUTPUT_STRIDE for trace in traces], height * scale)))
    wanted = min(1.0, scale * BEST / now, (MOST_PIXELS / (height * width)) ** 0.5)
    return wanted if not CLOSE <= now <= APART and abs(wanted / scale - 1) > 0.15 else None


def _points(points: Floats, width: int, height: int) -> Points:
    return clip_to_page(tuple((round(float(x), 1), round(float(y), 1)) for x, y in points), width, height)


def _numbered(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    return tuple(replace(line, id=f"line_{number}") for number, line in enumerate(lines, 1))
