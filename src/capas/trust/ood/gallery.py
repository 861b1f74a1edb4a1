"""Test examples shown with the reconstruction heatmap of the autoencoder."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from capas.trust.ood.detector import OODDetector
from capas.trust.ood.selective_prediction import StructuredOODScorer
from capas.trust.rendering.blocks import CaptionedImage
from capas.trust.subjects.display_images import display_image_of
from capas.trust.subjects.single_output import ModelUnderTest


@runtime_checkable
class GalleryExamples(Protocol):
    """The test examples, by ``names``, and how a prepared input is displayed."""

    names: Sequence[str]
    prepared: Sequence[object]

    def captioned_image(self, prepared: object, caption: str) -> CaptionedImage | None:
        """Return an image with its reconstruction heatmap; None where there is nothing to look at."""


class SingleOutputGalleryExamples:
    """``GalleryExamples`` of a model with one output per example."""

    def __init__(
        self, subject: ModelUnderTest, detector: OODDetector, names: Sequence[str], prepared: Sequence[object]
    ) -> None:
        self.names, self.prepared = names, prepared
        self._subject, self._detector = subject, detector

    def captioned_image(self, prepared: object, caption: str) -> CaptionedImage | None:
        picture, heat = display_image_of(self._subject.reader, prepared), self._detector.heatmap(prepared)
        return (
            None
            if picture is None
            else CaptionedImage(image=picture, caption=caption, heatmap=None if heat is None else heat.numpy())
        )


class StructuredGalleryExamples:
    """``GalleryExamples`` of a model with structured output."""

    def __init__(self, scorer: StructuredOODScorer, names: Sequence[str], prepared: Sequence[object]) -> None:
        self.names, self.prepared = names, prepared
        self._sense = scorer

    def captioned_image(self, prepared: object, caption: str) -> CaptionedImage | None:
        both = self._sense.reconstruction_heatmap(prepared)
        if both is not None:
            return CaptionedImage(image=both[0], caption=caption, heatmap=both[1])
        picture = self._sense.feature_extractor.display_image(prepared)
        return None if picture is None else CaptionedImage(image=picture, caption=caption)
