"""A token classifier answers texts of several sentences, is tested on other schemes, and is exported."""

import torch

from capas.engine.recipe import Item
from capas.engine.recipes.token_classification.predictor import TokenClassificationPredictor
from tests.engine.recipes.made_work import report_of, sentences_named, spec_of
from tests.engine.recipes.token_classification.test_learn import job


def model() -> TokenClassificationPredictor:
    held = job()
    return TokenClassificationPredictor(held.objective.network.eval(), held.code, held.labels, 50)


def test_a_text_of_two_sentences_is_one_answer() -> None:
    held = model()
    prepared = [held.preprocess(Item(name="a", content="He came. She left.")),
                held.preprocess(Item(name="b", content=["Ana"]))]  # fmt: skip
    first, second = held.predict(["a", "b"], prepared)
    assert first.facts["words"] == ["He", "came", ".", "She", "left", "."] and second.facts["words"] == ["Ana"]
    labels = first.prediction
    assert isinstance(labels, list) and len(labels) == 6 and set(labels) <= set(held.labels.labels)


def test_other_data_may_be_in_another_scheme() -> None:
    held = model()
    inputs, targets = sentences_named([["x"], ["Ana", "Gil"]]), sentences_named([["O"], ["B-PER", "E-PER"]])
    report = report_of(inputs, spec_of("label", "tokens", classes=("B-PER", "E-PER", "O")), ["test"] * 2,
                       targets=targets)  # fmt: skip
    found = held.evaluate(report, [1])
    assert found.n == 1 and found.rows[1][:3] == ["s:1", "Ana Gil", "B-PER I-PER"] and not found.baseline


def test_the_exported_network_gives_the_emissions() -> None:
    held = model()
    prepared = [held.preprocess(Item(name="", content=["Ana", "sings"])), held.preprocess(Item(name="", content="so"))]
    found = held.exportable(prepared)
    assert found.count == 2 and [one.name for one in found.inputs] == ["words", "characters", "features"]
    assert found.axes == (1, "words", 5) and found.facts["labels"] == list(held.labels.labels)
    words, characters, features = found.compared[0]
    with torch.no_grad():
        answer = found.network(words, characters, features)
        expected = held.network(words, characters, torch.tensor([2]), features)
    torch.testing.assert_close(answer, expected)
    assert held.exportable([]).count == 1 and found.vocabulary == held.code.as_json()
