"""One prediction explained, by models whose reasons are known: one half of a picture, one word, one column."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from capas.core.errors import CapasError
from capas.core.spec import Field, FieldKind, Spec
from capas.data.text.vocabulary import SubwordVocabulary
from capas.engine.recipe import Item
from capas.engine.recipes.single_output.heads.class_head import ClassHead
from capas.engine.recipes.single_output.inputs import InputReader
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor
from capas.engine.recipes.translation.predictor import TranslationPredictor
from capas.trust.explanations.explainer import IMAGE_METHODS, Explainer, Explanation, make_explainer
from tests.trust.made_models import (
    HandMade,
    half_pictures,
    images_reader,
    light_predictor,
    made_card,
    rows_reader,
    sounds_reader,
    tone,
    words_reader,
)


def explainer(reader: InputReader[object], kind: FieldKind, method: str | None = None) -> Explainer:
    spec = Spec(inputs=(Field(name="i", kind=kind),), target=Field(name="t", kind="category"), task="classify",
                classes=("no", "yes"))  # fmt: skip
    return Explainer(SingleOutputPredictor(reader, ClassHead(spec.classes), spec), spec, method)


def sigmoid(x: float) -> float:
    return float(torch.tensor(x).sigmoid())


def parts(found: Explanation) -> Mapping[str, float]:
    return dict(found.attributions)


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_the_half_that_decides_is_bright(method: str) -> None:
    picture = half_pictures([0]).decode(0).repeat(3, 0).repeat(3, 1)
    found = explainer(images_reader(), "image", method).explain(Item(name="p", content=picture))
    assert found.prediction.prediction == found.explained_output == "no" and found.method == method
    assert found.image is not None and np.array_equal(found.image, picture[..., 0])
    heat = found.heatmap
    assert heat is not None and heat.shape == (24, 24) and 0 <= heat.min() <= heat.max() <= 1
    # The left half is light, which speaks for it; the right one is not black, which speaks against it.
    assert heat[:, :10].mean() > 0.5 and heat[:, 14:].max() == 0


def test_asked_for_the_other_class_it_shows_what_speaks_for_that_one() -> None:
    ask = explainer(images_reader(), "image", "integrated_gradients")
    found = ask.explain(Item(name="p", content=half_pictures([0]).decode(0)), "yes")
    assert found.prediction.prediction == "no" and found.explained_output == "yes"
    assert found.heatmap is not None and found.heatmap[:, :4].max() == 0 < found.heatmap[:, 4:].mean()
    with pytest.raises(CapasError) as error:
        ask.explain(Item(name="p", content=half_pictures([0]).decode(0)), "perhaps")
    assert error.value.key == "no_such_answer"


def test_a_word_brings_what_is_lost_without_it() -> None:
    ask = explainer(words_reader({"good": 2.0, "bad": -1.0}), "text")
    found = ask.explain(Item(name="t", content="a good and bad day"))
    assert found.explained_output == "yes" and found.method == "leave_one_out" and found.heatmap is None
    assert [name for name, _ in found.attributions] == ["a", "good", "and", "bad", "day"]
    whole = sigmoid(1.0)
    assert parts(found)["good"] == pytest.approx(whole - sigmoid(-1.0), abs=1e-6)
    assert parts(found)["bad"] == pytest.approx(whole - sigmoid(2.0), abs=1e-6)
    assert parts(found)["a"] == parts(found)["day"] == 0
    tree = found.as_json()
    assert tree["explained"] == "yes" and tree["parts"][1] == {  # type: ignore[index]
        "part": "good", "weight": round(whole - sigmoid(-1.0), 6)}  # fmt: skip
    # Of two classes what speaks for one speaks against the other.
    other = ask.explain(Item(name="t", content="a good and bad day"), "no")
    assert parts(other)["good"] == pytest.approx(-parts(found)["good"], abs=1e-6)


def test_a_column_brings_what_its_typical_value_would_not() -> None:
    ask = explainer(rows_reader({"height": 1.0, "weight": 0.0}), "number")
    found = ask.explain(Item(name="#1", content={"height": 2.0, "weight": 9.0}))
    assert parts(found) == {"height": pytest.approx(sigmoid(2.0) - 0.5, abs=1e-6), "weight": 0.0}


def test_a_sound_is_shown_with_the_stretch_that_decides() -> None:
    # A low hum; the last quarter is high, and only that speaks for "yes".
    sound = np.concatenate([tone(300, 0.9), tone(3000, 0.3)])
    found = explainer(sounds_reader(0.2), "audio").explain(Item(name="s", content=sound), "yes")
    weights = [weight for _, weight in found.attributions]
    assert len(weights) == 24 and found.attributions[0][0] == "0.00–0.05 s"
    assert min(weights[19:]) > 0 > max(weights[:17])
    assert found.image is not None and found.heatmap is not None
    assert found.heatmap.shape == found.image.shape[:2] and found.heatmap.max() == 1
    assert found.heatmap[:, : found.image.shape[1] // 2].max() == 0


def test_ways_and_kinds_that_there_are_not_are_named(tmp_path: Path) -> None:
    with pytest.raises(CapasError) as error:
        explainer(words_reader({"a": 1.0}), "text", "occlusion")
    assert error.value.key == "no_such_way" and "leave_one_out" in str(error.value)
    assert explainer(images_reader(), "image").method == IMAGE_METHODS[0]
    spec = Spec(inputs=(Field(name="i", kind="image"),), target=Field(name="t", kind="mask"), task="label",
                classes=("dark", "light"))  # fmt: skip
    with pytest.raises(CapasError) as error:
        make_explainer(HandMade(light_predictor(), made_card(spec), tmp_path))
    assert error.value.key == "explain_other_kind" and "label (image)" in str(error.value)


def test_translations_have_one_way_and_no_classes(tmp_path: Path) -> None:
    spec = Spec(inputs=(Field(name="i", kind="text"),), target=Field(name="t", kind="text"), task="translate")
    vocabulary = SubwordVocabulary.learn(["a b"], size=270)
    model = HandMade(TranslationPredictor(nn.Linear(1, 1), vocabulary, 9, 1, 0.6), made_card(spec), tmp_path)
    with pytest.raises(CapasError) as error:
        make_explainer(model, "occlusion")
    assert error.value.key == "no_such_way"
    with pytest.raises(CapasError) as error:
        make_explainer(model, "attention_to_source")(Item(name="t", content="a"), "yes")
    assert error.value.key == "no_such_answer"


def test_the_explainer_of_a_loaded_model_is_made_by_its_kind(tmp_path: Path) -> None:
    ask = explainer(words_reader({"good": 2.0}), "text")
    model = HandMade(ask.predictor, made_card(ask.spec), tmp_path)
    found = make_explainer(model)(Item(name="t", content="good day"), None)
    assert isinstance(found, Explanation)
    assert found.as_json() == ask.explain(Item(name="t", content="good day")).as_json()
