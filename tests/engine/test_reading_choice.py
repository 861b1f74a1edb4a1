"""How a reader reads is chosen on lines: by best path, beam or n-grams; kept, and read back."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from capas.core.errors import CapasError
from capas.engine.config import Config
from capas.engine.predict import Model, load_model
from capas.engine.recipes.reading_choice import chosen_reading, cross_fitted, mistakes, ngrams_of
from capas.pages.normalise import Rules, rules_of
from capas.tasks.character_ngrams import CharacterNgrams
from capas.tasks.transcribe import Alphabet, Decoder
from tests.engine.test_transcription import SETTINGS, write_lines
from tests.harness import train_here

ALPHABET = Alphabet(characters=" abelrs")
WORDS = ["la barbe", "la sale", "a sa barbe", "sa sale", "la belle sale"]


def logits_of(text: str, sure: float = 0.9, doubt: str = "") -> Tensor:
    """Frames that say ``text``; a character of ``doubt`` is a little more probably the next one of the alphabet."""
    chances = []
    for character in text:
        label = ALPHABET.labels(character)[0]
        for said in (label, 0):
            row = torch.full((ALPHABET.num_labels,), (1 - sure) / ALPHABET.num_labels)
            row[said] += sure
            if said and character in doubt:
                row[said], row[said % len(ALPHABET.characters) + 1] = 0.4, 0.5
            chances.append(row / row.sum())
    return torch.stack(chances).log()


LINES = [(text, logits_of(text, doubt="b")) for text in WORDS]


def test_n_grams_are_kept_where_they_help() -> None:
    ngrams = CharacterNgrams.learnt(WORDS, ALPHABET.characters, 4)
    choice = chosen_reading(LINES, ALPHABET, ngrams, wanted=False)
    assert choice.decoder.ngrams is ngrams and choice.decoder.beam and choice.decoder.weight > 0
    assert choice.tried["ngrams"] < choice.tried["best_path"] and sum(mistakes(LINES, choice.decoder)) == 0


def test_n_grams_are_not_kept_where_they_do_not_help() -> None:
    clear = [(text, logits_of(text)) for text in WORDS]
    ngrams = CharacterNgrams.learnt(WORDS, ALPHABET.characters, 4)
    choice = chosen_reading(clear, ALPHABET, ngrams, wanted=False)
    assert choice.decoder == Decoder(alphabet=ALPHABET) and choice.tried["best_path"] == 0
    assert chosen_reading(clear, ALPHABET, ngrams, wanted=True).decoder.ngrams is ngrams


def test_without_lines_only_what_is_wanted_is_taken() -> None:
    ngrams = CharacterNgrams.learnt(WORDS, ALPHABET.characters, 4)
    assert chosen_reading([], ALPHABET, ngrams, wanted=False).decoder == Decoder(alphabet=ALPHABET)
    assert chosen_reading([], ALPHABET, None, wanted=True).decoder == Decoder(alphabet=ALPHABET)
    assert chosen_reading([], ALPHABET, ngrams, wanted=True).decoder.ngrams is ngrams


def test_each_half_is_judged_by_what_was_best_for_the_other() -> None:
    """The first setting is best on even lines (0 against 3), the second on odd ones (0 against 4)."""
    assert cross_fitted([[0, 2, 0, 2], [1, 0, 2, 0]]) == (1 + 2) + (2 + 2)
    assert cross_fitted([[0, 1, 0, 1]]) == 2


def test_the_confidence_is_the_network_s_and_a_surer_text_has_more_of_it() -> None:
    ngrams = CharacterNgrams.learnt(WORDS, ALPHABET.characters, 4)
    decoder = Decoder(alphabet=ALPHABET, beam=16, ngrams=ngrams, weight=0.5, bonus=1.0)
    sure, unsure, doubted = (decoder.read(logits_of("la barbe", *args)) for args in ((0.9,), (0.6,), (0.9, "b")))
    assert sure.text == unsure.text == doubted.text == "la barbe"
    assert sure.probability > doubted.probability > 0 and sure.probability > unsure.probability
    # What the n-grams chose against the best path has the network's own probability, 0.4, not theirs.
    assert doubted.probabilities[3] == pytest.approx(0.4 / (0.9 + 5 * 0.1 / 8 + 0.1 / 8), rel=0.1)
    by_beam, by_path = (Decoder(alphabet=ALPHABET, beam=beam).read(logits_of("la sale")) for beam in (16, 0))
    assert by_beam.text == by_path.text and by_beam.probabilities == pytest.approx(by_path.probabilities, rel=1e-6)


def test_a_text_of_the_user_is_learnt_by_the_same_rules(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("ꝑ la barbe\n\nla·sale\n", encoding="utf-8")
    config = Config().merged({"network.ngrams": 3, "network.ngram_text": str(tmp_path / "more.txt")})
    alphabet, rules = Alphabet(characters=" abelprs"), rules_of("old-french")
    found = ngrams_of(config, ["sa"], alphabet, rules)
    assert found is not None
    assert found.windows == CharacterNgrams.learnt(["sa", "par la barbe", "lasale"], alphabet.characters, 3).windows
    kept = Rules(name="kept")
    assert ngrams_of(config.merged({"network.ngrams": 0}), ["sa"], alphabet, kept) is None
    with pytest.raises(CapasError) as missing:
        ngrams_of(config.merged({"network.ngram_text": str(tmp_path / "none.txt")}), ["sa"], alphabet, kept)
    assert missing.value.key == "unreadable"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With n-grams however they do, and transcripts in which "o" is written for "a"."""
    folder = tmp_path_factory.mktemp("choice")
    rules = folder / "rules.toml"
    rules.write_text('name = "mine"\nreplace = [["a", "o"]]\n', encoding="utf-8")
    settings = {**SETTINGS, "train.epochs": 4, "network.ngrams": 3, "data.transcripts": str(rules)}
    made = train_here(write_lines(folder / "data"), folder / "run", settings)
    rules.unlink()
    return made


@pytest.fixture(scope="module")
def model(run: Path) -> Model:
    return load_model(run)


def test_a_bundle_keeps_its_n_grams_and_its_rules(run: Path, model: Model) -> None:
    answers = json.loads((run / "bundle" / "answers.json").read_text(encoding="utf-8"))
    assert answers["transcripts"]["name"] == "mine" and "a" not in answers["alphabet"]
    assert model.answering.rules.applied("año") == "oño"
    assert model.card.network.settings["transcripts"] == model.answering.rules.told
    decoder = model.answering.decoder
    assert decoder.ngrams.order == 3 and [decoder.weight, decoder.bonus] == answers["language_model"]


def test_a_bundle_of_before_opens(run: Path, tmp_path: Path) -> None:
    """One that knows of no n-grams and no rules, and one with n-grams that are gone or broken."""
    old = shutil.copytree(run / "bundle", tmp_path / "old")
    (old / "ngrams.json").unlink()
    answers = json.loads((old / "answers.json").read_text(encoding="utf-8"))
    with pytest.raises(CapasError) as refused:
        load_model(old)
    assert refused.value.key == "bundle_incomplete"
    (old / "ngrams.json").write_text('{"order": 3, "windows": {"1": "ab"}}')
    with pytest.raises(CapasError) as refused:
        load_model(old)
    assert refused.value.key == "bundle_incomplete"
    kept = {name: answers[name] for name in ("kind", "alphabet", "temperature", "beam")}
    (old / "answers.json").write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")
    model = load_model(old).answering
    assert model.decoder.ngrams is None and model.rules.name == "kept"  # type: ignore[attr-defined]
