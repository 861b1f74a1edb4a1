"""WordPiece against transformers' BertTokenizer, recorded (tests/fixtures/minilm/record.py)."""

import json
from pathlib import Path

import pytest

from capas.data.text.wordpiece import WordPieceTokenizer, basic_tokenize
from tests.harness import FIXTURES

RECORDED = json.loads((FIXTURES / "minilm" / "pieces.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("number", range(len(RECORDED["texts"])))
def test_pieces_are_those_of_the_reference(number: int) -> None:
    pieces = WordPieceTokenizer(RECORDED["vocabulary"], max_tokens=RECORDED["longest"])
    assert pieces.encode(RECORDED["texts"][number]) == RECORDED["pieces"][number]


def test_the_longest_beginning_wins_even_where_a_shorter_one_would_have_led_to_the_end() -> None:
    pieces = WordPieceTokenizer(["[UNK]", "[CLS]", "[SEP]", "ab", "abc", "##cd"])
    assert pieces.encode("abcd") == [1, 0, 2] and pieces.encode("ab abc") == [1, 3, 4, 2]


def test_a_special_token_in_a_text_is_text() -> None:
    pieces = WordPieceTokenizer(["[UNK]", "[CLS]", "[SEP]", "[", "]", "sep"])
    assert pieces.encode("[SEP]") == [1, 3, 5, 4, 2]


def test_a_text_is_cut_between_its_two_ends() -> None:
    pieces = WordPieceTokenizer(["[UNK]", "[CLS]", "[SEP]", "a", "##b"], max_tokens=5)
    assert pieces.encode("abbbb a") == [1, 3, 4, 4, 2] and pieces.encode("a a a") == [1, 3, 3, 3, 2]
    assert pieces.encode("a a a a") == [1, 3, 3, 3, 2] and pieces.encode("") == [1, 2]


def test_words_are_lower_case_without_accents_or_control_characters() -> None:
    assert list(basic_tokenize("É\u0301 x\u00ady\ufffd\u0000z Ñ\t$5")) == ["e", "xyz", "n", "$", "5"]
    assert list(basic_tokenize("北京 ab")) == ["北", "京", "ab"]


def test_a_vocabulary_file_numbers_its_lines(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\n\u2028\na\n", encoding="utf-8")
    pieces = WordPieceTokenizer.from_file(tmp_path / "vocab.txt")
    assert len(pieces) == 5 and pieces.encode("a") == [1, 4, 2]


def test_a_vocabulary_without_its_special_tokens_or_without_room_is_our_mistake() -> None:
    with pytest.raises(ValueError, match=r"lacks \[CLS\], \[SEP\]"):
        WordPieceTokenizer(["[UNK]", "a"])
    with pytest.raises(ValueError, match="3 or more"):
        WordPieceTokenizer(["[UNK]", "[CLS]", "[SEP]"], max_tokens=2)
