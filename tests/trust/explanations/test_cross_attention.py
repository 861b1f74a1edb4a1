"""Which words of the source a translator looks at: one that learnt to replace word by word looks at the right ones."""

import json
from pathlib import Path

import pytest
import torch

from capas.data.text.vocabulary import EOS, SubwordVocabulary
from capas.engine.predict import load_model
from capas.engine.recipe import Item
from capas.engine.recipes.translation.predictor import TranslationPredictor
from capas.networks.sequence.transformer import Transformer
from capas.trust.explanations.cross_attention import explain_translation, source_attention, word_token_spans
from tests.engine.recipes.test_translation import WORDS, config, data, run
from tests.harness import capas_here

__all__ = ["config", "data", "run"]
TEXT = "three one six four."


@pytest.fixture(scope="module")
def translator(run: Path) -> TranslationPredictor:
    answering = load_model(run).predictor
    assert isinstance(answering, TranslationPredictor)
    return answering


def test_tokens_are_joined_to_words() -> None:
    vocabulary = SubwordVocabulary.learn(["sailing far, sailing near"] * 3, size=300)
    tokens = vocabulary.encode(" sailing zzz, far")
    groups = word_token_spans(vocabulary, tokens)
    assert [word for word, _, _ in groups] == ["sailing", "zzz,", "far"]
    assert groups[0][1] == 0 and groups[-1][2] == len(tokens)
    assert [end for _, _, end in groups[:-1]] == [start for _, start, _ in groups[1:]]


def test_the_word_that_is_translated_is_looked_at(translator: TranslationPredictor) -> None:
    found = explain_translation(translator, Item(name="t", content=TEXT))
    (piece,) = found.segments
    assert piece.source_words == tuple(TEXT.split())
    assert [one.word for one in piece.target_words] == str(found.prediction.prediction).split()
    backwards = {theirs: ours for ours, theirs in WORDS.items()}
    hits = 0
    for one in piece.target_words:
        wanted = backwards.get(one.word.strip("."))
        best = piece.source_words[max(range(len(piece.source_words)), key=one.weights.__getitem__)]
        hits += best.strip(".") == wanted
        assert min(one.weights) >= 0 and sum(one.weights) <= 1 + 1e-5
    assert hits >= len(piece.target_words) - 1
    (spoken,) = [encoded for _, encoded in translator.preprocess(Item(name="t", content=TEXT))]  # type: ignore[attr-defined]
    target = translator.vocabulary.encode(piece.target_words[0].word)
    rows = source_attention(translator.network, [*spoken, EOS], target)  # type: ignore[arg-type]
    assert sum(piece.target_words[0].weights) == pytest.approx(1 - float(rows[:, -1].mean()), abs=1e-5)


def test_rows_belong_to_the_step_that_writes_the_token(translator: TranslationPredictor) -> None:
    network = translator.network
    assert isinstance(network, Transformer)
    source = [*translator.vocabulary.encode(TEXT), EOS]
    target = translator.vocabulary.encode("tres uno")
    rows = source_attention(network, source, target)
    assert rows.shape == (len(target), len(source)) and torch.allclose(rows.sum(1), torch.ones(len(target)))
    # What comes later changes nothing: the first row was looked at before the first token was written.
    assert torch.allclose(rows[:1], source_attention(network, source, target[:1]), atol=1e-5)
    other = source_attention(network, source, [target[0] + 1, *target[1:]])
    assert torch.allclose(other[0], rows[0], atol=1e-5) and not torch.allclose(other[1], rows[1], atol=1e-5)


def test_capas_explain_writes_a_page_and_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = capas_here(capsys, "explain", run, TEXT, "-o", "why")
    assert said.code == 0 and "←" in said.out and "need not have decided" in said.err
    page = next(Path("why").glob("*.explained.html")).read_text(encoding="utf-8")
    assert page.count('<p class="words">') == len(TEXT.split()) and 'class="word for"' in page
    (found,) = json.loads(capas_here(capsys, "explain", run, TEXT, "--json", "-o", "why").out)
    assert found["method"] == "attention_to_source" and Path(found["page"]).is_file()
    assert found["pieces"][0]["source"] == TEXT.split()
    for options, error in ((("--of", "dos"), "no_such_answer"), (("--method", "occlusion"), "no_such_way")):
        refused = capas_here(capsys, "explain", run, TEXT, *options, "--json")
        assert refused.code == 2 and refused.json["error"] == error  # type: ignore[index,call-overload]
