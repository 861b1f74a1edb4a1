"""Each predictor of many answers has its own adapter and features; those with one answer have none."""

from pathlib import Path

import numpy as np
import pytest
from torch import nn

from capas.core.spec import Field, Spec
from capas.data.audio.segments import SegmentCollection
from capas.data.collections import ExampleCollection, SentenceCollection
from capas.data.text.vocabulary import SubwordVocabulary
from capas.data.text.word_features import WordFeatures
from capas.engine.recipe import Predictor
from capas.engine.recipes.audio_frames.predictor import AudioFramesPredictor
from capas.engine.recipes.restoration.predictor import RestorationPredictor, RestorerCard
from capas.engine.recipes.single_output.heads.class_head import ClassHead
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor
from capas.engine.recipes.token_classification.data import LabelSet
from capas.engine.recipes.token_classification.predictor import TokenClassificationPredictor
from capas.engine.recipes.translation.predictor import TranslationPredictor
from capas.trust.subjects.factory import ood_feature_extractor, structured_adapter, structured_model_under_test
from tests.trust.made_models import (
    AUDIO,
    HandMade,
    half_pictures,
    images_reader,
    light_predictor,
    made_card,
    made_context,
    texts_of,
    write_masks,
    write_sounds,
)

SENTENCES = SentenceCollection([["a", "b"]], ["s:1"])


def words_predictor() -> TokenClassificationPredictor:
    code, labels = WordFeatures.fit([["a", "b"]] * 2), LabelSet(["N", "V"])
    return TokenClassificationPredictor(labels.network(code, 4), code, labels, 50)


def known(kind: str, folder: Path) -> tuple[Predictor, ExampleCollection, ExampleCollection | None]:
    if kind == "masks":
        masks = write_masks(folder, np.zeros((1, 8, 8), np.uint8), ("dark", "light"))
        return light_predictor(), half_pictures([0]), masks
    if kind == "words":
        return words_predictor(), SENTENCES, SENTENCES
    if kind == "frames":
        sounds = write_sounds(folder, [np.zeros(800, np.float32)])
        return AudioFramesPredictor(nn.Linear(8, 2), AUDIO, ("none", "a"), 1), sounds, SegmentCollection([[]], ["0"])
    if kind == "transforms":
        restorer = RestorerCard(kind="denoise", channels=1, scale=1, width=4, noise=20.0)
        return RestorationPredictor(nn.Conv2d(1, 1, 1), restorer), half_pictures([0]), None
    vocabulary = SubwordVocabulary.learn(["a b"], size=270)
    return TranslationPredictor(nn.Linear(1, 1), vocabulary, 9, 1, 0.6), texts_of(["a"]), texts_of(["b"])


@pytest.mark.parametrize("kind", ["masks", "words", "frames", "transforms", "translations"])
def test_each_kind_has_its_adapter_and_features_of_the_same_class(kind: str, tmp_path: Path) -> None:
    predictor, inputs, targets = known(kind, tmp_path)
    adapter = structured_adapter(predictor, inputs, targets)
    assert adapter is not None and adapter.kind == kind and adapter.max_examples >= 40
    # Asked without data, as ``predict`` does, there are the same features.
    assert type(ood_feature_extractor(predictor)) is type(adapter.feature_extractor)
    assert (adapter.feature_extractor is None) == (kind == "translations")


def test_one_answer_per_example_is_not_structured() -> None:
    pictures = half_pictures([0, 1])
    spec = Spec(inputs=(Field(name="i", kind="image"),), target=Field(name="t", kind="category"), task="classify",
                classes=("left", "right"))  # fmt: skip
    one = SingleOutputPredictor(images_reader(), ClassHead(spec.classes), spec)
    assert structured_adapter(one, pictures, None) is None and ood_feature_extractor(one) is None
    record = made_context(pictures, [0, 1], ["train", "test"], classes=spec.classes).record
    model = HandMade(one, made_card(spec), Path())
    assert structured_model_under_test(model, record, pictures, None, [0, 1], 0) is None


def test_the_model_of_a_run_asks_its_adapter_at_the_source_s_index() -> None:
    sentences = SentenceCollection([["a"], ["b"], ["a", "b"]], ["s:1", "s:2", "s:3"])
    context = made_context(sentences, [None] * 3, ["test"] * 3, task="label", kind="tokens")
    model = HandMade(words_predictor(), context.card, Path())
    found = structured_model_under_test(model, context.record, sentences, sentences, [2, 0, 1], 0)
    assert found is not None and found.kind == "words"
    assert found.prepared([0, 2]) == [(("a", "b"),), (("b",),)]


def test_masks_need_pictures_and_labels_need_sentences() -> None:
    with pytest.raises(AssertionError):
        structured_adapter(light_predictor(), texts_of(["a"]), None)
    with pytest.raises(AssertionError):
        structured_adapter(words_predictor(), SENTENCES, None)
