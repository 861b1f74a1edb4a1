"""English is told from Spanish and from what is neither, in prose, in short texts, and in none."""

import pytest

from capas.data.text.language import ENGLISH, SPANISH, function_word_shares

ENGLISH_TEXTS = (
    "When the ship came in, there was nobody on the quay to take her lines.",
    "Wheat prices rose in March, the ministry said, as exports to the east were cut.",
)
OTHER_TEXTS = (
    "Cuando el barco entró, no había nadie en el muelle que tomara los cabos.",
    "Als das Schiff einlief, war niemand am Kai, um die Leinen anzunehmen.",
    "Quand le navire est entré, il n'y avait personne sur le quai pour prendre les amarres.",
    "Toen het schip binnenkwam, was er niemand op de kade om de trossen aan te nemen.",
    "Quando o navio entrou, não havia ninguém no cais para pegar os cabos.",
    "東京 北京 123 !!",
    "",
)


@pytest.mark.parametrize("text", ENGLISH_TEXTS)
def test_english_looks_english(text: str) -> None:
    assert function_word_shares([text]).looks_english


@pytest.mark.parametrize("text", OTHER_TEXTS)
def test_other_languages_do_not(text: str) -> None:
    assert not function_word_shares([text]).looks_english


def test_half_english_half_spanish_is_not_clearly_english() -> None:
    found = function_word_shares([ENGLISH_TEXTS[0], OTHER_TEXTS[0]])
    assert found.english > 0.15 and found.spanish > 0.15 and not found.looks_english


def test_shares_are_of_all_words_and_case_does_not_count() -> None:
    found = function_word_shares(["THE wheat", "el trigo 1986"])
    assert (found.words, found.english, found.spanish) == (4, 0.25, 0.25)


def test_the_lists_have_nothing_in_common() -> None:
    assert not ENGLISH & SPANISH and all(word == word.lower() for word in ENGLISH | SPANISH)
