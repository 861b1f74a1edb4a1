"""Texts are divided where they must be, and joined again with what was between."""

from collections.abc import Sequence

import pytest
from torch import nn

from capas.core.errors import CapasError
from capas.data.text.vocabulary import SubwordVocabulary
from capas.decoding.seq2seq_beam import TranslationHypothesis
from capas.engine.recipe import Item
from capas.engine.recipes.translation import predictor as module
from capas.engine.recipes.translation.predictor import TranslationPredictor, split_text
from tests.engine.recipes.made_work import report_of, spec_of, texts_of

CODE = SubwordVocabulary.learn(["One two. "] * 3, size=300)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> TranslationPredictor:
    """Says every piece in capitals, with a log-probability of −1/2."""

    def shout(
        network: nn.Module, encoded: Sequence[Sequence[int]], execution: object, *, beam: int, alpha: float
    ) -> list[TranslationHypothesis]:
        assert (beam, alpha) == (3, 0.25)
        said = [CODE.encode(f" {CODE.decode(one).upper()} ") for one in encoded]
        return [TranslationHypothesis(tokens=tuple(one), log_probability=-0.5, score=-0.1) for one in said]

    monkeypatch.setattr(module, "translate_encoded", shout)
    return TranslationPredictor(nn.Linear(1, 1), CODE, 12, 3, 0.25)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one", [("", "one")]),
        ("  one \n", [("", "one")]),
        ("a\nb", [("", "a"), ("\n", "b")]),
        ("a \n\n b", [("", "a"), (" \n\n ", "b")]),
        ("Short. Yes.\nb", [("", "Short. Yes."), ("\n", "b")]),
        ("It is long. So it is.\nb", [("", "It is long."), (" ", "So it is."), ("\n", "b")]),
    ],
)
def test_lines_that_do_not_fit_are_divided_into_sentences(text: str, parts: list[tuple[str, str]]) -> None:
    assert split_text(text, lambda line: len(line) < 12) == parts


def test_a_translation_has_the_lines_of_its_text(model: TranslationPredictor) -> None:
    prepared = [model.preprocess(Item(name=n, content=t)) for n, t in (("a", "one\n\ntwo"), ("b", "three"))]
    both = model.predict_with_hypotheses(["a", "b"], prepared)
    assert [answer.prediction for answer, _ in both] == ["ONE\n\nTWO", "THREE"]
    first, second = (answer for answer, _ in both)
    assert first.facts == {"translation": "ONE\n\nTWO", "log_probability": -1.0} and first.text == "ONE\n\nTWO"
    assert second.facts["log_probability"] == -0.5 and second.input == "b"
    assert [[CODE.decode(read) for read, _ in pieces] for _, pieces in both] == [["one", "two"], ["three"]]
    assert [answer.prediction for answer in model.predict(["a"], prepared[:1])] == ["ONE\n\nTWO"]


def test_a_sentence_that_is_too_long_is_refused_with_its_length(model: TranslationPredictor) -> None:
    with pytest.raises(CapasError) as error:
        model.preprocess(Item(name="it", content="ok\n" + "ñ" * 10))
    # Each ñ is unknown: two bytes.
    assert (error.value.key, error.value.where, error.value.received) == ("piece_too_long", "it", "20")
    assert error.value.values["longest"] == 12


def test_an_empty_text_is_refused(model: TranslationPredictor) -> None:
    with pytest.raises(CapasError) as error:
        model.preprocess(Item(name="it", content=" \n"))
    assert error.value.key == "text_empty"


def test_other_data_is_tested_and_long_texts_are_cut(model: TranslationPredictor) -> None:
    inputs, targets = texts_of(["x", "one two", "ñ" * 50]), texts_of(["X", "ONE TWO", "no"])
    report = report_of(inputs, spec_of("translate", "text"), ["test"] * 3, targets=targets)
    found = model.evaluate(report, [1, 2])
    assert found.n == 2 and found.rows[1] == ["t:1", "one two", "ONE TWO", "ONE TWO"]
    assert found.rows[2][3] == "Ñ" * 6  # of 12 pieces
    exact = found.metrics["exact"]
    assert isinstance(exact, dict) and exact["value"] == 0.5


def test_a_search_cannot_be_exported(model: TranslationPredictor) -> None:
    with pytest.raises(CapasError) as error:
        model.exportable([])
    assert error.value.key == "export_not_possible"
