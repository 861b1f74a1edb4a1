"""Examples are shown with what could not be redrawn, where something was redrawn, and else as they are."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from capas.trust.ood.autoencoder import Autoencoder, ReconstructionScore
from capas.trust.ood.detector import OODDetector
from capas.trust.ood.gallery import GalleryExamples
from capas.trust.ood.selective_prediction import SingleOutputOODScorer, StructuredOODScorer
from capas.trust.subjects.structured import OODFeatureExtractor, OODFeatures
from tests.trust.made_models import halves_subject, made_context, made_subject, texts_of, words_reader


def detector(*, redraws: bool) -> OODDetector:
    """Its network draws an even grey of 1/2, whatever it is given."""
    network = Autoencoder(channels=1, height=16, width=16, code=4)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    return OODDetector(
        knn=None, knn_multilayer=None, combination=None, uses_energy=False, target_fpr=0.05, weights_hash="",
        autoencoder=ReconstructionScore(network=network.eval().requires_grad_(False)) if redraws else None,
    )  # fmt: skip


PICTURE = torch.full((1, 16, 16), 128, dtype=torch.uint8)
PICTURE[:, 4:8, 4:8] = 255


def test_a_picture_is_shown_with_what_differs_from_its_reconstruction() -> None:
    subject = halves_subject([0], ["test"])
    examples = GalleryExamples(SingleOutputOODScorer(detector(redraws=True), subject.adapter), ["a"], [PICTURE])
    assert examples.names == ["a"]
    shown = examples.captioned_image(PICTURE, "strange")
    assert shown is not None and shown.caption == "strange" and np.array_equal(shown.image, PICTURE[0].numpy())
    assert shown.heatmap is not None and shown.heatmap.shape == (16, 16)
    # Grey is redrawn, white is not: by half of the range, which is the most that there is.
    assert shown.heatmap[5:7, 5:7].min() == pytest.approx(1, abs=0.01) and shown.heatmap[12:].max() < 0.02
    plain = GalleryExamples(SingleOutputOODScorer(detector(redraws=False), subject.adapter), ["a"], [PICTURE])
    without = plain.captioned_image(PICTURE, "strange")
    assert without is not None and without.heatmap is None


def test_of_a_text_there_is_nothing_to_look_at() -> None:
    context = made_context(texts_of(["a"]), [0], ["test"], kind="text", classes=("no", "yes"))
    subject = made_subject(context, words_reader({"a": 1.0}))
    assert (
        GalleryExamples(SingleOutputOODScorer(detector(redraws=False), subject.adapter), ["t"], ["a"]).captioned_image(
            "a", ""
        )
        is None
    )


class Seen(OODFeatureExtractor):
    """An extractor of pictures (C, H, W) in 0..1; what else is asked of one is not."""

    def __init__(self, *, whole: bool = True, shown: bool = True) -> None:
        self.whole, self.shown = whole, shown

    def ood_features(self, prepared: object) -> OODFeatures:
        assert isinstance(prepared, Tensor)
        return OODFeatures(features=None, views=prepared[None].float() / 255, is_whole_image=self.whole)

    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> dict[str, list[object]]:
        return {}

    def display_image(self, prepared: object) -> NDArray[np.uint8] | None:
        assert isinstance(prepared, Tensor)
        return prepared[0].numpy() if self.shown else None


@pytest.mark.parametrize(("whole", "redraws"), [(True, True), (False, True), (True, False)])
def test_structured_inputs_have_a_map_where_the_whole_picture_was_redrawn(whole: bool, redraws: bool) -> None:
    scorer = StructuredOODScorer(detector(redraws=redraws), Seen(whole=whole))
    shown = GalleryExamples(scorer, ["a"], [PICTURE]).captioned_image(PICTURE, "c")
    assert shown is not None and shown.caption == "c" and np.array_equal(shown.image, PICTURE[0].numpy())
    assert (shown.heatmap is not None) == (whole and redraws)
    if shown.heatmap is not None:
        assert shown.heatmap[5:7, 5:7].min() > 0.9 > 0.1 > shown.heatmap[12:].max()


def test_what_cannot_be_displayed_is_left_out() -> None:
    scorer = StructuredOODScorer(detector(redraws=True), Seen(shown=False))
    assert GalleryExamples(scorer, ["a"], [PICTURE]).captioned_image(PICTURE, "c") is None
