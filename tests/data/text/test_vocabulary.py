"""Vocabularies: nothing is lost, nothing depends on the order of texts, nothing is learnt from outside."""

import json

import pytest

from capas.data.text.vocabulary import (
    BOS,
    EOS,
    PAD,
    SPECIAL_TOKENS,
    UNKNOWN,
    SubwordVocabulary,
    WordVocabulary,
    tokenize_words,
)

TEXTS = [
    "Dos hombres jóvenes están fuera, cerca de muchos arbustos.",
    "Dos hombres con cascos están manejando una máquina.",
    "Una niña está subiendo a una casa de madera.",
    "Two men are outside near many houses, many men.",
]
ODD = [
    "", " ", "  dos\t\nhombres  ", "\n\nfin\n", "日本語 🙂👍🏽 ﬁ", "e\u0301 n\u0303", "नमस्ते दुनिया",
    "\x00\x7f\u2028", "\ud800 solo",
    "<pad><unk> <0x41>", "x" * 500, "¿¡?!...---", "\u00a0no-break\u00a0", "a\r\nb",
]  # fmt: skip


@pytest.fixture(scope="module")
def subwords() -> SubwordVocabulary:
    return SubwordVocabulary.learn(TEXTS, size=312)


def test_words_and_marks_stand_apart() -> None:
    assert tokenize_words("Ana's 3,5 ﬁn—¡Qué!") == ["ana", "'", "s", "3", ",", "5", "ﬁn", "—", "¡", "qué", "!"]
    assert tokenize_words("Él", lowercase=False) == ["Él"]
    assert tokenize_words("e\u0301l नमस्ते") == ["e\u0301l", "नमस्ते"]


def test_words_are_those_of_training_by_frequency() -> None:
    vocabulary = WordVocabulary.learn(TEXTS, min_count=2)
    assert vocabulary.words[4:] == (".", "una", ",", "de", "dos", "están", "hombres", "many", "men")
    assert vocabulary.encode("UNA casa de men") == [5, UNKNOWN, 7, 12]
    assert vocabulary.decode([BOS, 5, UNKNOWN, 12, EOS, PAD]) == "una <unk> men"
    assert WordVocabulary.learn(reversed(TEXTS), min_count=2).words == vocabulary.words
    assert len(WordVocabulary.learn(TEXTS, max_size=7)) == 7
    assert vocabulary.encode("<pad> <eos>") == [UNKNOWN] * 6


@pytest.mark.parametrize("text", [*TEXTS, *ODD])
def test_subwords_lose_nothing(text: str, subwords: SubwordVocabulary) -> None:
    ids = subwords.encode(text)
    assert subwords.decode(ids) == text
    assert subwords.decode([BOS, *ids, EOS, PAD]) == text
    assert all(len(SPECIAL_TOKENS) <= number < len(subwords) for number in ids)


def test_every_character_of_unicode_survives(subwords: SubwordVocabulary) -> None:
    text = "".join(map(chr, range(0, 0x110000, 37)))
    assert subwords.decode(subwords.encode(text)) == text


def test_common_words_are_one_token_and_rare_ones_several(subwords: SubwordVocabulary) -> None:
    pieces = [subwords.tokens[number] for number in subwords.encode(" hombres humanos")]
    assert pieces[0] == " hombres" and len(pieces) > 3
    assert subwords.tokens[subwords.encode("Ω")[0]] == "<0xCE>"


def test_the_size_is_kept_and_the_order_of_texts_does_not_matter(subwords: SubwordVocabulary) -> None:
    assert len(subwords) == 312
    assert SubwordVocabulary.learn(reversed(TEXTS), size=312).tokens == subwords.tokens
    with pytest.raises(ValueError, match="size is 261"):
        SubwordVocabulary.learn(TEXTS, size=261)


def test_two_ways_to_one_string_are_one_token() -> None:
    vocabulary = SubwordVocabulary("abc", [("a", "b"), ("b", "c"), ("ab", "c"), ("a", "bc")])
    assert vocabulary.tokens[-3:] == ("ab", "bc", "abc") and vocabulary.decode(vocabulary.encode("abcbc")) == "abcbc"


def test_bytes_that_are_no_utf8_are_shown_as_such(subwords: SubwordVocabulary) -> None:
    assert subwords.decode([4 + 0xCE, *subwords.encode("a")]) == "\ufffda"


def test_json_gives_the_same_vocabularies(subwords: SubwordVocabulary) -> None:
    again = SubwordVocabulary.from_json(json.loads(json.dumps(subwords.as_json())))
    assert again.tokens == subwords.tokens and again.merges == subwords.merges
    assert all(again.encode(text) == subwords.encode(text) for text in TEXTS + ODD)
    words = WordVocabulary.learn(TEXTS, lowercase=False)
    other = WordVocabulary.from_json(json.loads(json.dumps(words.as_json())))
    assert other.words == words.words and other.lowercase is False


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"kind": "words"}, "kind"),
        ({"merges": [["a"]]}, "merge"),
        ({"merges": None}, "merges"),
        ({"characters": [1]}, "characters"),
        ({"characters": ["a", "a"]}, "twice"),
    ],
)
def test_other_json_is_refused(wrong: dict[str, object], name: str, subwords: SubwordVocabulary) -> None:
    with pytest.raises(ValueError, match=name):
        SubwordVocabulary.from_json({**subwords.as_json(), **wrong})
    with pytest.raises(ValueError, match="lowercase"):
        WordVocabulary.from_json({"kind": "words", "words": []})
