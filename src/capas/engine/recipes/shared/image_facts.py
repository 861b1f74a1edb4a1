"""The properties of an image dataset that default values depend on."""

from dataclasses import dataclass

from capas.core.errors import CapasError
from capas.data.inspect.image_statistics import ImageStatistics
from capas.data.inspect.report import DatasetReport


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFacts:
    """Properties of an image dataset.

    Attributes:
        examples: Number of training examples.
        classes: Class names.
        median_width: In pixels.
        median_height: In pixels.
        grey: Whether all images are greyscale.
        is_regression: Whether numbers are predicted, which brightness or cropped-off content may determine.
    """

    examples: int
    classes: tuple[str, ...]
    median_width: int
    median_height: int
    grey: bool
    is_regression: bool = False  # a number is wanted, which brightness or what is cut off may tell

    @property
    def side(self) -> int:
        """The longer median side in pixels."""
        return max(self.median_width, self.median_height)


GREY_MODES = {"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F"}


def image_facts(report: DatasetReport) -> ImageFacts:
    """Return the properties of a dataset. Raises CapasError ``no_pictures_to_learn`` where it holds no images."""
    pictures = report.statistics
    if not isinstance(pictures, ImageStatistics):
        raise CapasError("no_pictures_to_learn", where=report.source.root)
    return ImageFacts(
        examples=sum(part == "train" for part in report.split),
        classes=report.detection.spec.classes,
        median_width=pictures.width.median,
        median_height=pictures.height.median,
        grey=set(pictures.modes) <= GREY_MODES,
        is_regression=report.detection.spec.task == "regress",
    )
