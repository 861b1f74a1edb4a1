"""Labels of many-part answers: those that the model believes least are listed, from the splits it has not learnt."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from capas.core.i18n import say
from capas.trust.rendering.blocks import ImageGallery
from capas.trust.subjects.structured import (
    CalibrationSamples,
    ExampleEvaluation,
    LabelIssue,
    OODFeatureExtractor,
    OODFeatures,
    StructuredModelUnderTest,
)
from capas.trust.theme import Theme
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.labels_structured import REVIEW, structured_labels_theme
from tests.trust.made_models import StubAdapter, grid, half_pictures, made_context

SPLITS = ["train", "validation", "test", "test"]
Doubt = tuple[str, str, float]


class Shown(OODFeatureExtractor):
    """Whatever is asked, the same picture is shown."""

    def ood_features(self, prepared: object) -> OODFeatures:
        return OODFeatures(features=None, views=None)

    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> dict[str, list[object]]:
        return {}

    def display_image(self, prepared: object) -> NDArray[np.uint8] | None:
        return np.zeros((2, 3), np.uint8)


def theme(doubts: Mapping[int, Sequence[Doubt]], kind: str = "words", *, pictures: bool = False) -> Theme:
    """Labels (given, predicted, probability of the given one) by position; word k of each example is its place."""
    nothing = CalibrationSamples(confidence=torch.zeros(0), correct=torch.zeros(0, dtype=torch.bool))
    held = {
        position: ExampleEvaluation(calibration_samples=nothing, label_issues=tuple(
            LabelIssue(position=position, location=f"word {k}", given_label=given, predicted_label=predicted,
                       given_label_probability=p) for k, (given, predicted, p) in enumerate(labels)))
        for position, labels in doubts.items()
    }  # fmt: skip
    adapter = StubAdapter(kind, held, feature_extractor=Shown(), heatmap=np.ones((2, 3), np.float32))
    made = made_context(
        half_pictures([0] * 4), [None] * 4, SPLITS, task="label", kind="image" if pictures else "tokens"
    )
    structured = StructuredModelUnderTest(adapter, made.record, made.indices, 0)
    return structured_labels_theme(ThemeContext(run_context=made, subject=None, level="standard"), structured)


BELIEVED: Doubt = ("N", "N", 0.9)
DOUBTS: Mapping[int, Sequence[Doubt]] = {
    0: [("N", "V", 0.0)],  # of the training: not asked
    1: [BELIEVED, ("N", "V", 0.3), BELIEVED],
    2: [("V", "N", 0.1), BELIEVED, BELIEVED],
    3: [BELIEVED, ("N", "V", 0.6), BELIEVED, ("N", "N", 0.2)],  # another answer, but the label is not improbable
}


def test_labels_are_listed_by_how_little_they_are_believed() -> None:
    found = theme(DOUBTS)
    assert (found.facts["n"], found.facts["examples"], found.facts["not_believed"]) == (10, 3, 2)
    assert cast(Mapping[str, float], found.facts["agreement"])["value"] == 0.7
    assert found.facts["first"] == [
        {"example": "pictures/00002", "split": "test", "place": "word 0", "label": "V", "model": "N",
         "probability_of_label": 0.1},
        {"example": "pictures/00001", "split": "validation", "place": "word 1", "label": "N", "model": "V",
         "probability_of_label": 0.3},
    ]  # fmt: skip
    # A list, not a verdict.
    assert found.findings == () and found.status == "nothing_found"


def test_the_file_and_the_table_say_the_same() -> None:
    found = theme(DOUBTS)
    assert found.files[REVIEW].decode().splitlines() == [
        "example,split,place,label,model,probability_of_label",
        "pictures/00002,test,word 0,V,N,0.1",
        "pictures/00001,validation,word 1,N,V,0.3",
    ]
    table = grid(found.blocks, say("trust.many.least_believed"))
    assert table.rows[0] == ["pictures/00002", "word 0", "V", "N", "10.0 %"] and len(table.rows) == 2


def test_pictures_are_shown_with_where_the_label_is_implausible() -> None:
    galleries = [block for block in theme(DOUBTS, "masks", pictures=True).blocks if isinstance(block, ImageGallery)]
    (gallery,) = galleries
    assert len(gallery.images) == 2 and all(one.heatmap is not None for one in gallery.images)
    assert "pictures/00002: given as “V”" in gallery.images[0].caption
    assert not any(isinstance(block, ImageGallery) for block in theme(DOUBTS).blocks)


def test_a_model_that_believes_all_has_nothing_to_list() -> None:
    found = theme({1: [BELIEVED], 2: [BELIEVED]})
    assert found.facts["not_believed"] == 0 and found.files == {} and len(found.blocks) == 2


def test_a_model_that_is_often_wrong_accuses_no_one() -> None:
    found = theme({1: [BELIEVED, ("N", "V", 0.1)]})
    assert found.status == "not_computed" and "50 %" in str(found.not_computed_because)


@pytest.mark.parametrize("kind", ["transforms", "translations"])
def test_whole_pictures_and_texts_are_no_labels(kind: str) -> None:
    assert theme(DOUBTS, kind).not_computed_because == say("trust.many.no_labels")
