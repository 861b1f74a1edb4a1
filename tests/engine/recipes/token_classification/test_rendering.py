"""Labelled words on screen and as JSON."""

import pytest

from capas.engine.recipes.token_classification.data import LabelledWord
from capas.engine.recipes.token_classification.rendering import (
    label_texts,
    labels_prediction,
    mean_probability,
    render_labels,
)


def labelled(*pairs: tuple[str, float]) -> list[LabelledWord]:
    return [LabelledWord(label=label, probability=probability) for label, probability in pairs]


def test_the_probability_of_an_entity_is_the_mean_of_its_words() -> None:
    found = labels_prediction(
        "a", ["Ana", "Gil", "saw", "Lima"], labelled(("B-PER", 0.9), ("I-PER", 0.4), ("O", 1.0), ("B-LOC", 0.7)),
        spans=True,
    )  # fmt: skip
    assert found.facts["entities"] == [
        {"text": "Ana Gil", "kind": "PER", "start": 0, "end": 2, "probability": 0.65},
        {"text": "Lima", "kind": "LOC", "start": 3, "end": 4, "probability": 0.7},
    ]
    assert found.prediction == ["B-PER", "I-PER", "O", "B-LOC"] and found.text == "[Ana Gil PER] saw [Lima LOC]"
    assert found.facts["words"] == ["Ana", "Gil", "saw", "Lima"]


def test_labels_for_themselves_are_no_entities() -> None:
    found = labels_prediction("a", ["we", "sing"], labelled(("PRON", 0.5), ("VERB", 0.5)), spans=False)
    assert found.facts["entities"] == [] and found.text == "we/PRON sing/VERB"


def test_neighbours_of_one_kind_are_two_entities_and_nothing_is_nothing() -> None:
    assert render_labels(["Ana", "Eva"], ["B-PER", "B-PER"], spans=True) == "[Ana PER] [Eva PER]"
    assert render_labels(["so", "it", "is"], ["O", "O", "O"], spans=True) == "so it is"
    assert render_labels([], [], spans=True) == render_labels([], [], spans=False) == ""


def test_the_mean_of_one_is_itself() -> None:
    assert mean_probability([0.25]) == 0.25 and mean_probability([0.25, 0.75, 0.2]) == pytest.approx(0.4)


def test_sentences_of_all_texts_are_asked_at_once_and_each_text_is_one_answer() -> None:
    asked = list[list[list[str]]]()

    def lengths(sentences: list[list[str]]) -> list[list[LabelledWord]]:
        asked.append(list(sentences))
        return [[LabelledWord(label=str(len(word)), probability=1.0) for word in words] for words in sentences]

    texts = [[["a", "bb"], ["ccc"]], [], [["dddd"]]]
    found = label_texts(["x", "y", "z"], texts, lengths, spans=False)  # type: ignore[arg-type]
    assert asked == [[["a", "bb"], ["ccc"], ["dddd"]]]
    assert [(one.input, one.text) for one in found] == [("x", "a/1 bb/2 ccc/3"), ("y", ""), ("z", "dddd/4")]
