"""Packed texts are the texts that went in, and equal ones are found whatever their hashes."""

import numpy as np
import pytest

from capas.data.tabular import packed_texts
from capas.data.tabular.columns import Cell, TextColumn, TextColumnBuilder
from capas.data.tabular.packed_texts import PackedTexts, TextPacker, number_of_words

TEXTS = ["plain", "", "año", "\ud800 alone", "two\nlines", "plain", "año", "😀"]


def packed(*blocks: list[str]) -> TextPacker:
    packer = TextPacker()
    for block in blocks:
        packer.add(block)
    return packer


def test_texts_come_out_as_they_went_in() -> None:
    texts = packed(TEXTS[:3], TEXTS[3:], ["only", "ascii"]).all_texts()
    expected = [*TEXTS, "only", "ascii"]
    assert list(texts) == expected == [texts[i] for i in range(len(texts))] and texts[-1] == "ascii"
    assert list(texts[2:7:2]) == expected[2:7:2] and list(texts.take(np.array([9, 0, 9]))) == [
        "ascii",
        "plain",
        "ascii",
    ]
    assert texts.byte_lengths.tolist() == [len(text.encode("utf-8", "surrogatepass")) for text in expected]
    assert texts.any_contains("ñ") and not texts.any_contains(";")
    with pytest.raises(IndexError):
        texts[10]


def test_words_are_counted_as_split_counts_them() -> None:
    texts = ["one", " two\twords ", "three\x1cof them", " ", "", "año nuevo", "x"]
    for some in (texts, [text for text in texts if text.isascii() and text], ["a b"] * 5000):
        assert list(number_of_words(packed(some).all_texts())) == [len(text.split()) for text in some]
        assert list(number_of_words(some)) == [len(text.split()) for text in some]


@pytest.mark.parametrize("collide", [False, True])
def test_equal_texts_are_found_even_where_different_ones_have_one_hash(
    collide: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if collide:
        monkeypatch.setattr(packed_texts, "hash", lambda text: 0, raising=False)
    places, first = packed(TEXTS[:4], TEXTS[4:]).distinct()
    assert places.tolist() == [0, 1, 2, 3, 4, 0, 2, 7] and first.tolist() == [0, 1, 2, 3, 4, 7]


@pytest.mark.parametrize("strip", [False, True])
def test_a_column_is_the_same_packed_and_unpacked(strip: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [["a", " b", ""], ["b", "c ", "ñ"], ["", "c", "d"], ["a", " ", "e"]]

    def column() -> TextColumn:
        builder = TextColumnBuilder(strip=strip)
        for block in blocks:
            builder.add(block)
        return builder.column()

    plain = column()
    monkeypatch.setattr("capas.data.tabular.columns.MAX_UNPACKED", 3)
    small = column()
    assert isinstance(small.words, PackedTexts) and isinstance(plain.words, tuple)
    cells: list[Cell] = list(plain)
    assert list(small) == cells and tuple(small.words) == plain.words
    assert small.codes.tolist() == plain.codes.tolist() and small.value_counts() == plain.value_counts()
    rows = [11, 2, 3, 3]
    assert list(small.take(rows)) == list(plain.take(rows)) == [cells[row] for row in rows]
    assert tuple(small.take(rows).words) == plain.take(rows).words
