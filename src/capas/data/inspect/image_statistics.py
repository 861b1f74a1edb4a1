"""The pictures in figures: how many, how large, of which kinds, how bright."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low

from capas.data.inspect.image_scan import ImageScan


@dataclass(frozen=True, kw_only=True, slots=True)
class MinMedianMax:
    """The least, the middle and the greatest of some whole numbers."""

    minimum: int
    median: int
    maximum: int

    def as_json(self) -> dict[str, int]:
        """``{"min": …, "median": …, "max": …}``."""
        return {"min": self.minimum, "median": self.median, "max": self.maximum}


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageStatistics:
    """Figures over the readable pictures: ``width`` and ``height`` in pixels (upright), ``mean`` and ``std``
    of grey in
    0..1 with every picture counting the same, ``bytes`` of all files together."""

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
        """The same facts for ``--json``."""
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
    """The figures of the pictures seen, or None where there is none."""
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
