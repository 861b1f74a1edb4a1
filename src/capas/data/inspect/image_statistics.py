"""Statistics of the images: number, sizes, modes, formats, brightness."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low

from capas.data.inspect.image_scan import ImageScan


@dataclass(frozen=True, kw_only=True, slots=True)
class MinMedianMax:
    """Minimum, median and maximum of some whole numbers."""

    minimum: int
    median: int
    maximum: int

    def as_json(self) -> dict[str, int]:
        """Return ``{"min": …, "median": …, "max": …}``."""
        return {"min": self.minimum, "median": self.median, "max": self.maximum}


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageStatistics:
    """Statistics of the readable images.

    Attributes:
        count: Number of images.
        width: Upright width in pixels.
        height: Upright height in pixels.
        modes: Counts of Pillow's modes.
        formats: Counts of formats.
        mean: Mean of grey in 0..1, every image counting the same.
        std: Standard deviation of grey in 0..1, every image counting the same.
        bytes: Size of all files together.
        kind: Key for ``--json``.
    """

    count: int
    width: MinMedianMax
    height: MinMedianMax
    modes: Mapping[str, int]
    formats: Mapping[str, int]
    mean: float
    std: float
    bytes: int
    kind: str = "pictures"

    def as_json(self) -> dict[str, object]:
        """Return the fields for ``--json``."""
        return {
            "count": self.count,
            "width": self.width.as_json(),
            "height": self.height.as_json(),
            "modes": dict(self.modes),
            "formats": dict(self.formats),
            "grey": {"mean": round(self.mean, 4), "std": round(self.std, 4)},
            "bytes": self.bytes,
        }


def image_statistics(scans: Sequence[ImageScan]) -> ImageStatistics | None:
    """Return the statistics of the scanned images; None where there is none."""
    if not scans:
        return None
    mean = sum(sight.mean for sight in scans) / len(scans)
    square = sum(sight.mean_square for sight in scans) / len(scans)
    return ImageStatistics(
        count=len(scans),
        width=_min_median_max([sight.info.width for sight in scans]),
        height=_min_median_max([sight.info.height for sight in scans]),
        modes=dict(Counter(sight.info.mode for sight in scans).most_common()),
        formats=dict(Counter(sight.info.format for sight in scans).most_common()),
        mean=mean,
        std=max(0.0, square - mean**2) ** 0.5,
        bytes=sum(sight.info.bytes for sight in scans),
    )


def _min_median_max(numbers: Sequence[int]) -> MinMedianMax:
    return MinMedianMax(minimum=min(numbers), median=median_low(numbers), maximum=max(numbers))
