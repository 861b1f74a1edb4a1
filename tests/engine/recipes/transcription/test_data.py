"""Transcripts as they are learnt: normalised and composed."""

import pytest

from capas.engine.recipes.transcription.data import normalised_transcripts
from capas.page_formats.normalise import KEPT, load_rules
from tests.engine.recipes.made_work import sentences_named, texts_of


def test_letters_and_accents_are_composed() -> None:
    assert normalised_transcripts(texts_of(["an\u0303o", "sí"]), load_rules(KEPT)) == ["año", "sí"]


def test_other_targets_are_refused() -> None:
    for other in (None, sentences_named([["a"]])):
        with pytest.raises(AssertionError):
            normalised_transcripts(other, load_rules(KEPT))
