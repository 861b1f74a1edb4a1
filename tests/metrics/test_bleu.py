"""BLEU and chrF2 against sacrebleu's, recorded (tests/fixtures/texts/record.py), and what the intervals mean."""

import json
import math

import pytest
import torch

from capas.metrics.bleu import (
    bleu_counts,
    bleu_from_counts,
    chrf_counts,
    chrf_from_counts,
    tokens_13a,
    translation_metrics,
)
from tests.harness import FIXTURES

RECORDED = json.loads((FIXTURES / "texts" / "bleu.json").read_text(encoding="utf-8"))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("line", RECORDED["tokens"], ids=lambda line: line["text"][:12])
def test_tokens_are_sacrebleus(line: dict[str, str]) -> None:
    assert " ".join(tokens_13a(line["text"])) == line["tokens"]


def sentences(name: str) -> tuple[list[str], list[str]]:
    if name == "empty":
        return ["", "Yes"], ["Yes", "Yes"]
    rows = RECORDED["cases"][name]["rows"]
    if not rows:
        return RECORDED["references"], RECORDED["references"]
    return [RECORDED["translations"][row] for row in rows], [RECORDED["references"][row] for row in rows]


@pytest.mark.parametrize("name", RECORDED["cases"])
def test_figures_are_sacrebleus(name: str) -> None:
    found = translation_metrics(*sentences(name), rng(), resamples=2)
    assert found.bleu.value == pytest.approx(RECORDED["cases"][name]["bleu"], abs=1e-9)
    assert found.chrf.value == pytest.approx(RECORDED["cases"][name]["chrf"], abs=1e-9)


def test_bleu_of_the_papers_example() -> None:
    """Papineni et al. 2002, example 2: seven times "the" matches twice."""
    counts = bleu_counts("the the the the the the the", "The cat is on the mat . the")
    assert counts[:4] == [7, 8, 2, 7]


def test_bleu_by_hand() -> None:
    counts = bleu_counts("a b c d e", "a b c d x y")
    assert counts == [5, 6, 4, 5, 3, 4, 2, 3, 1, 2]
    expected = 100 * math.exp(1 - 6 / 5) * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    assert bleu_from_counts(counts) == pytest.approx(expected)


def test_chrf_by_hand() -> None:
    counts = chrf_counts("a b", "ab c")
    assert counts == [2, 3, 2, 1, 2, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    precision, recall = 1.0, (2 / 3 + 1 / 2) / 2
    assert chrf_from_counts(counts) == pytest.approx(100 * 5 * precision * recall / (4 * precision + recall))


def test_intervals_hold_the_value_shrink_with_n_and_repeat() -> None:
    translations, references = sentences("all")
    few = translation_metrics(translations, references, rng())
    many = translation_metrics(translations * 20, references * 20, rng())
    for small, large in ((few.bleu, many.bleu), (few.chrf, many.chrf)):
        assert small.interval[0] < small.value < small.interval[1]
        assert large.value == pytest.approx(small.value)
        assert large.interval[1] - large.interval[0] < 0.5 * (small.interval[1] - small.interval[0])
    assert translation_metrics(translations, references, rng()) == few
    assert few.metrics_json()["bleu"] == few.bleu.as_json() and few.bleu.n == 7


def test_what_does_not_pair_up_is_refused() -> None:
    for translations, references in (([], []), (["a"], ["a", "b"])):
        with pytest.raises(ValueError, match="expected as many"):
            translation_metrics(translations, references, rng())
