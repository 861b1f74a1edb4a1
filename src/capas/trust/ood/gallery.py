"""Test examples shown with the reconstruction heatmap of the autoencoder."""

from collections.abc import Sequence
from dataclasses import dataclass

from capas.trust.ood.selective_prediction import OODScorer
from capas.trust.rendering.blocks import CaptionedImage


@dataclass(frozen=True, slots=True)
class GalleryExamples:
    """The test examples, by ``names``, and the scorer, which displays a prepared input."""

    scorer: OODScorer
    names: Sequence[str]
    prepared: Sequence[object]

    def captioned_image(self, prepared: object, caption: str) -> CaptionedImage | None:
        """Return an image with its reconstruction heatmap; None where there is nothing to look at."""
        picture, heat = self.scorer.display(prepared)
        return None if picture is None else CaptionedImage(image=picture, caption=caption, heatmap=heat)
