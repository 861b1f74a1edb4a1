"""How a reader reads is chosen on lines: by best path, beam or n-grams; kept, and read back."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from capas.bundle.write import add_file
from capas.core.errors import CapasError
from capas.decoding.alphabet import Alphabet
from capas.decoding.character_ngrams import CharacterNgrams
from capas.decoding.transcripts import CTCDecoder
from capas.engine.config import Config
from capas.engine.predict import Model, load_model
from capas.engine.recipes.transcription.decoder_selection import (
    cross_fitted_errors,
    fit_ngrams,
    line_errors,
    select_decoder,
)
from capas.page_formats.normalise import NormalisationRules, load_rules
from tests.engine.recipes.test_transcription import SETTINGS, write_lines
from tests.harness import train_here

ALPHABET = Alphabet(characters=" abelrs")
WORDS = ["la barbe", "la sale", "a sa barbe", "sa sale", "la belle sale"]


def logits_of(text: str, sure: float = 0.9, doubt: str = "") -> Tensor:
    """Frames that say ``text``; a character of ``doubt`` is a little more probably the next one of the alphabet."""
    chances = []
    for character in text:
        label = ALPHABET.encode(character)[0]
        for said in (label, 0):
            row = torch.full((ALPHABET.num_labels,), (1 - sure) / ALPHABET.num_labels)
            row[said] += sure
            if said and character in doubt:
                row[said], row[said % len(ALPHABET.characters) + 1] = 0.4, 0.5
            chances.append(row / row.sum())
    return torch.stack(chances).log()


LINES = [(text, logits_of(text, doubt="b")) for text in WORDS]


def test_n_grams_are_kept_where_they_help() -> None:
    ngrams = CharacterNgrams.fit(WORDS, ALPHABET.characters, 4)
    choice = select_decoder(LINES, ALPHABET, ngrams, force_ngrams=False)
    assert choice.decoder.ngrams is ngrams and choice.decoder.beam and choice.decoder.weight > 0
    assert choice.tried["ngrams"] < choice.tried["best_path"] and sum(line_errors(LINES, choice.decoder)) == 0


def test_n_grams_are_not_kept_where_they_do_not_help() -> None:
    clear = [(text, logits_of(text)) for text in WORDS]
    ngrams = CharacterNgrams.fit(WORDS, ALPHABET.characters, 4)
    choice = select_decoder(clear, ALPHABET, ngrams, force_ngrams=False)
    assert choice.decoder == CTCDecoder(alphabet=ALPHABET) and choice.tried["best_path"] == 0
    assert select_decoder(clear, ALPHABET, ngrams, force_ngrams=True).decoder.ngrams is ngrams


def test_without_lines_only_what_is_wanted_is_taken() -> None:
    ngrams = CharacterNgrams.fit(WORDS, ALPHABET.characters, 4)
    assert select_decoder([], ALPHABET, ngrams, force_ngrams=False).decoder == CTCDecoder(alphabet=ALPHABET)
    assert select_decoder([], ALPHABET, None, force_ngrams=True).decoder == CTCDecoder(alphabet=ALPHABET)
    assert select_decoder([], ALPHABET, ngrams, force_ngrams=True).decoder.ngrams is ngrams


def test_each_half_is_judged_by_what_was_best_for_the_other() -> None:
    """The first setting is best on even lines (0 against 3), the second on odd ones (0 against 4)."""
    assert cross_fitted_errors([[0, 2, 0, 2], [1, 0, 2, 0]]) == (1 + 2) + (2 + 2)
    assert cross_fitted_errors([[0, 1, 0, 1]]) == 2


def test_the_confidence_is_the_network_s_and_a_surer_text_has_more_of_it() -> None:
    ngrams = CharacterNgrams.fit(WORDS, ALPHABET.characters, 4)
    decoder = CTCDecoder(alphabet=ALPHABET, beam=16, ngrams=ngrams, weight=0.5, bonus=1.0)
    sure, unsure, doubted = (decoder.decode(logits_of("la barbe", *args)) for args in ((0.9,), (0.6,), (0.9, "b")))
    assert sure.text == unsure.text == doubted.text == "la barbe"
    assert sure.probability > doubted.probability > 0 and sure.probability > unsure.probability
    # What the n-grams chose against the best path has the network's own probability, 0.4, not theirs.
    assert doubted.probabilities[3] == pytest.approx(0.4 / (0.9 + 5 * 0.1 / 8 + 0.1 / 8), rel=0.1)
    by_beam, by_path = (CTCDecoder(alphabet=ALPHABET, beam=beam).decode(logits_of("la sale")) for beam in (16, 0))
    assert by_beam.text == by_path.text and by_beam.probabilities == pytest.approx(by_path.probabilities, rel=1e-6)


def test_a_text_of_the_user_is_learnt_by_the_same_rules(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("ꝑ la barbe\n\nla·sale\n", encoding="utf-8")
    config = Config().merged({"network.ngrams": 3, "network.ngram_text": str(tmp_path / "more.txt")})
    alphabet, rules = Alphabet(characters=" abelprs"), load_rules("old-french")
    found = fit_ngrams(config, ["sa"], alphabet, rules)
    assert found is not None
    assert found.windows == CharacterNgrams.fit(["sa", "par la barbe", "lasale"], alphabet.characters, 3).windows
    kept = NormalisationRules(name="kept")
    assert fit_ngrams(config.merged({"network.ngrams": 0}), ["sa"], alphabet, kept) is None
    with pytest.raises(CapasError) as missing:
        fit_ngrams(config.merged({"network.ngram_text": str(tmp_path / "none.txt")}), ["sa"], alphabet, kept)
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
    assert model.predictor.rules.apply("año") == "oño"
    assert model.card.network.settings["transcripts"] == model.predictor.rules.description
    decoder = model.predictor.decoder
    assert decoder.ngrams.order == 3 and [decoder.weight, decoder.bonus] == answers["language_model"]


def test_a_bundle_of_before_opens(run: Path, tmp_path: Path) -> None:
    """One that knows of no n-grams and no rules, and one with n-grams that are gone or broken."""
    old = shutil.copytree(run / "bundle", tmp_path / "old")
    (old / "ngrams.json").unlink()
    answers = json.loads((old / "answers.json").read_text(encoding="utf-8"))
    with pytest.raises(CapasError) as refused:
        load_model(old)
    assert refused.value.key == "bundle_incomplete"
    add_file(old, "ngrams.json", b'{"order": 3, "windows": {"1": "ab"}}')
    with pytest.raises(CapasError) as refused:
        load_model(old)
    assert refused.value.key == "bundle_incomplete"
    kept = {name: answers[name] for name in ("kind", "alphabet", "temperature", "beam")}
    add_file(old, "answers.json", json.dumps(kept, ensure_ascii=False).encode())
    model = load_model(old).predictor
    assert model.decoder.ngrams is None and model.rules.name == "kept"  # type: ignore[attr-defined]
