"""tf-idf against scikit-learn's, recorded (tests/fixtures/texts/record.py), and what a batch of rows is."""

import json
import math

import pytest
import torch

from capas.data.text.tfidf import SparseFeatures, TfIdfVectorizer
from tests.harness import FIXTURES

RECORDED = json.loads((FIXTURES / "texts" / "tfidf.json").read_text(encoding="utf-8"))


def as_dicts(rows: SparseFeatures) -> list[dict[int, float]]:
    ends = [*rows.offsets.tolist(), len(rows.indices)][1:]
    return [
        dict(zip(rows.indices[start:end].tolist(), rows.weights[start:end].tolist(), strict=True))
        for start, end in zip(rows.offsets.tolist(), ends, strict=True)
    ]


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: f"{case['longest']}-{case['min_texts']}")
def test_terms_and_weights_are_scikit_learns(case: dict[str, object]) -> None:
    longest, min_texts, most = case["longest"], case["min_texts"], case["max_features"]
    features = TfIdfVectorizer.fit(RECORDED["texts"], longest=longest, min_texts=min_texts, max_features=most)
    assert list(features.parts[0].terms) == case["terms"]
    rows = as_dicts(features.features(RECORDED["texts"] + RECORDED["new"]))
    assert len(rows) == len(case["rows"])
    for ours, theirs in zip(rows, case["rows"], strict=True):
        assert ours == pytest.approx({int(number): weight for number, weight in theirs.items()}, abs=1e-6)


def test_weights_by_hand() -> None:
    features = TfIdfVectorizer.fit(["one one two", "two"], longest=1, min_texts=1)
    (row,) = as_dicts(features.features(["one one two three"]))
    one, two = (1 + math.log(2)) * (math.log(3 / 2) + 1), 1.0
    assert row == pytest.approx({0: one / math.hypot(one, two), 1: two / math.hypot(one, two)}, abs=1e-6)


def test_rows_are_the_texts_asked_for_in_that_order() -> None:
    features = TfIdfVectorizer.fit(RECORDED["texts"], longest=2, min_texts=1)
    rows = features.features(["corn", "", *RECORDED["texts"]])
    whole = as_dicts(rows)
    for picked in ([3, 1, 0, 3, 7], [1], [], list(range(8))):
        part = rows.rows(torch.tensor(picked, dtype=torch.int64))
        assert as_dicts(part) == [whole[number] for number in picked] and len(part) == len(picked)


def test_json_gives_the_same_features() -> None:
    features = TfIdfVectorizer.fit(RECORDED["texts"], longest=2)
    again = TfIdfVectorizer.from_json(json.loads(json.dumps(features.as_json())))
    assert as_dicts(again.features(RECORDED["new"])) == as_dicts(features.features(RECORDED["new"]))
    (part,) = features.as_json()["parts"]  # type: ignore[misc]
    with pytest.raises(ValueError, match="idf"):
        TfIdfVectorizer.from_json({"kind": "tf-idf", "parts": [{**part, "idf": ["a"]}]})


def test_letters_are_weighed_as_much_as_words() -> None:
    features = TfIdfVectorizer.fit(["sea boat", "boats"], longest=1, letters=(2, 3), min_texts=1)
    words, letters = features.parts
    assert words.terms == ("boat", "boats", "sea") and "bo" in letters.terms and "a b" not in letters.terms
    dense = features.features(["sea boat", "boating"]).dense(len(features))
    assert float(dense[0, :3].square().sum()) == pytest.approx(0.5) and float(dense[0].norm()) == pytest.approx(1)
    # A word never seen is known by its letters.
    assert dense[1, :3].tolist() == [0, 0, 0] and float(dense[1].norm()) == pytest.approx(0.5**0.5)


@pytest.mark.parametrize(("shortest", "longest"), [(-1_000_000_000, 2), (0, 2), (3, 2), (1, 1_000_000_000)])
def test_a_stranger_s_lengths_are_refused_before_they_are_tried(shortest: int, longest: int) -> None:
    part = {"terms": "words", "shortest": shortest, "longest": longest, "list": ["sea"], "idf": [1.0]}
    with pytest.raises(ValueError, match=r"expected 1 to 20"):
        TfIdfVectorizer.from_json({"kind": "tf-idf", "parts": [part]})
