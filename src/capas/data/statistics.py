"""The pictures in figures: how many, how large, of which kinds, how bright."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low

from capas.data.examine import Sight


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """The least, the middle and the greatest of some whole numbers."""

    least: int
    middle: int
    greatest: int

    def as_json(self) -> dict[str, int]:
        """``{"min": …, "median": …, "max": …}``."""
        return {"min": self.least, "median": self.middle, "max": self.greatest}


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureStatistics:
    """Figures over the readable pictures: ``width`` and ``height`` in pixels (upright), ``mean`` and ``std``
    of grey in
    0..1 with every picture counting the same, ``bytes`` of all files together."""

    count: int
    width: Spread
    height: Spread
    modes: Mapping[str, int]
    formats: Mapping[str, int]
    mean: float
    std: float
    bytes: int
    called: str = "pictures"

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


def measure(sights: Sequence[Sight]) -> PictureStatistics | None:
    """The figures of the pictures seen, or None where there is none."""
    if not sights:
        return None
    mean = sum(sight.mean for sight in sights) / len(sights)
    square = sum(sight.square for sight in sights) / len(sights)
    return PictureStatistics(
        count=len(sights),
        width=_spread([sight.info.width for sight in sights]),
        height=_spread([sight.info.height for sight in sights]),
        modes=dict(Counter(sight.info.mode for sight in sights).most_common()),
        formats=dict(Counter(sight.info.format for sight in sights).most_common()),
        mean=mean,
        std=max(0.0, square - mean**2) ** 0.5,
        bytes=sum(sight.info.bytes for sight in sights),
    )


def _spread(numbers: Sequence[int]) -> Spread:
    return Spread(least=min(numbers), middle=median_low(numbers), greatest=max(numbers))
