"""Figures of labels by hand, beside the most frequent label of each word."""

from collections.abc import Mapping

import pytest

from capas.engine.recipes.token_classification.data import LabelSet
from capas.engine.recipes.token_classification.evaluate import MostFrequentLabelBaseline, evaluate_labels

SPANS = LabelSet.from_data(["O", "B-PER", "B-LOC"])
WORDS = LabelSet.from_data(["NOUN", "VERB", "ADJ"])


def value(figure: object) -> float:
    assert isinstance(figure, Mapping)
    return float(figure["value"])


def test_a_word_has_the_label_it_has_most_often() -> None:
    model = MostFrequentLabelBaseline(
        [["run", "run", "sea"], ["run", "run", "old"]],
        [["VERB", "NOUN", "NOUN"], ["VERB", "NOUN", "ADJ"]], WORDS,
    )  # fmt: skip
    # "run" is a noun as often as a verb: the first by name; of all labels the noun is most frequent.
    assert model.predict(["run", "sea", "old", "new"]) == ["NOUN", "NOUN", "ADJ", "NOUN"]


def test_an_unknown_word_is_outside_of_every_entity() -> None:
    model = MostFrequentLabelBaseline([["Ana", "Eva"]], [["B-PER", "B-PER"]], SPANS)
    assert model.predict(["Ana", "Ada"]) == ["B-PER", "O"]


def test_entities_by_hand() -> None:
    targets = [["B-PER", "I-PER", "O"], ["B-LOC", "O", "B-PER"]]
    predicted = [["B-PER", "I-PER", "O"], ["B-PER", "O", "O"]]
    words = [["Ana", "Gil", "came"], ["Lima", "and", "Eva"]]
    model = MostFrequentLabelBaseline([["Lima", "Eva"]], [["B-LOC", "B-PER"]], SPANS)
    found = evaluate_labels(["a", "b"], words, targets, predicted, SPANS, model)
    # Three entities, two predicted, one of them right; 4 of 6 words.
    assert list(found.metrics) == ["entity_f1", "entity_precision", "entity_recall", "token_accuracy"]
    figures = [value(figure) for figure in found.metrics.values()]
    assert figures == pytest.approx([2 / 5, 1 / 2, 1 / 3, 4 / 6], abs=1e-6)
    person = found.per_class["PER"]
    assert isinstance(person, Mapping) and value(person["recall"]) == 0.5 and value(person["precision"]) == 0.5
    # The baseline finds Lima and Eva: two of three, and no other.
    assert found.baseline["most_frequent_label"] == {"entity_f1": 0.8, "token_accuracy": round(4 / 6, 6)}
    assert found.rows == [
        ["example", "words", "labels", "predicted"],
        ["a", "Ana Gil came", "B-PER I-PER O", "B-PER I-PER O"],
        ["b", "Lima and Eva", "B-LOC O B-PER", "B-PER O O"],
    ]


def test_labels_of_single_words_are_counted_word_by_word() -> None:
    targets, predicted = [["NOUN", "VERB", "NOUN"]], [["NOUN", "NOUN", "ADJ"]]
    found = evaluate_labels(["a"], [["x", "y", "z"]], targets, predicted, WORDS, None)
    assert list(found.metrics) == ["token_accuracy"] and not found.baseline
    assert value(found.metrics["token_accuracy"]) == pytest.approx(1 / 3, abs=1e-6)
    shares = {
        name: tuple(value(figure) for figure in own.values())
        for name, own in found.per_class.items()
        if isinstance(own, Mapping)
    }
    assert shares == {"ADJ": (0.0, 0.0), "NOUN": (0.5, 0.5), "VERB": (0.0, 0.0)}
