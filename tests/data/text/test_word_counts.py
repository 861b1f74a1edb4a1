"""Documents as counts of words."""

import pytest
import torch

from capas.data.text.word_counts import WordCounter, thinned, word_shares

DOCUMENTS = ["The ship, the SHIP and the sea", "the sea at night", "the night train a 7", "el niño y la niña"]


def test_the_most_frequent_words_that_not_most_documents_have() -> None:
    # "the" is in three documents of four; "a", "7" and "y" are single letters.
    assert WordCounter.fit(DOCUMENTS, max_words=3).words == ("night", "sea", "ship")
    counter = WordCounter.fit(DOCUMENTS, max_words=100)
    assert "the" not in counter.words and {"niño", "niña"} <= set(counter.words)
    assert WordCounter.fit(["same", "same", "same other"], max_words=9).words == ("other",)
    assert WordCounter.fit(["same", "same"], max_words=9).words == ("same",)  # else nothing would be left
    with pytest.raises(ValueError, match="vocabulary"):
        WordCounter.fit(["", "a", "?"], max_words=9)


def test_counts_and_shares() -> None:
    counter = WordCounter(("night", "sea", "ship"))
    counts = torch.from_numpy(counter.counts(["Ship ship sea unknown", "nothing known", ""]).toarray())
    assert counts.tolist() == [[0, 1, 2], [0, 0, 0], [0, 0, 0]]
    shares = word_shares(counts)
    torch.testing.assert_close(shares[0], torch.tensor([0, 1 / 3, 2 / 3]))
    assert shares[1:].abs().sum() == 0  # and not NaN


def test_a_part_of_a_document() -> None:
    counts = torch.tensor([[400.0, 0.0, 200.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]).repeat(50, 1)
    drawn = thinned(counts, 0.5, torch.Generator().manual_seed(0))
    assert bool((drawn <= counts).all()) and bool((drawn == drawn.round()).all())
    assert drawn[::3, 0].mean().item() == pytest.approx(200, abs=10)
    assert drawn[1::3].sum() == 0 and bool((drawn[2::3, 0] == 1).all())  # of one word nothing can be left out
    again = thinned(counts, 0.5, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn, again, rtol=0, atol=0)


def test_json_and_what_is_refused() -> None:
    counter = WordCounter.fit(DOCUMENTS, max_words=4)
    assert WordCounter.from_json(counter.as_json()) == counter
    for broken in ({}, {"kind": "word counts", "words": []}, {"kind": "word counts", "words": ["a", "a"]},
                   {"kind": "word counts", "words": ["a", 1]}, {"kind": "tf-idf", "words": ["a"]}):  # fmt: skip
        with pytest.raises(ValueError, match="expected"):
            WordCounter.from_json(broken)
