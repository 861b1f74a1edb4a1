"""Entities and their figures against seqeval, schemes against each other and all short sequences."""

import json
from itertools import pairwise, product

import pytest
import torch

from capas.decoding.label_schemes import (
    Entity,
    LabelScheme,
    convert_scheme,
    entities_to_labels,
    forbidden_transitions,
    labels_to_entities,
)
from capas.metrics.bootstrap import MIN_UNITS
from capas.metrics.entities import bootstrap_f1, label_error_rate, token_label_metrics
from tests.harness import FIXTURES

RECORDED = json.loads((FIXTURES / "sequences" / "seqeval.json").read_text())
SCHEMES: tuple[LabelScheme, ...] = ("IOB1", "IOB2", "BIOES")
PREFIXES = {"IOB1": "IB", "IOB2": "IB", "BIOES": "IBES"}


def test_entities_are_seqevals_even_where_ill_formed() -> None:
    for labels, expected in zip(RECORDED["truth"], RECORDED["entities"], strict=True):
        assert [[e.start, e.end, e.kind] for e in labels_to_entities(labels)] == expected, labels


def test_figures_are_seqevals() -> None:
    found, report = token_label_metrics(RECORDED["truth"], RECORDED["predicted"]), RECORDED["report"]
    assert found.token_accuracy.value == pytest.approx(RECORDED["accuracy"])
    assert set(found.per_kind) == set(report) - {"micro avg", "macro avg", "weighted avg"}
    for name, figures in {**found.per_kind, "micro avg": found.overall}.items():
        ours = (figures.precision.value, figures.recall.value, figures.f1, figures.recall.n)
        assert ours == pytest.approx(tuple(report[name][key] for key in ("precision", "recall", "f1-score", "support")))
    low, high = found.f1.interval
    assert low < found.f1.value == found.overall.f1 < high and found.f1.n == len(RECORDED["truth"])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_writing_and_reading_are_inverse(scheme: LabelScheme) -> None:
    for labels in RECORDED["truth"]:
        written = convert_scheme(labels, scheme)
        assert labels_to_entities(written) == labels_to_entities(labels)
        assert convert_scheme(written, scheme) == written
        for other in SCHEMES:
            assert convert_scheme(convert_scheme(written, other), scheme) == written


@pytest.mark.parametrize("scheme", SCHEMES)
def test_forbidden_is_exactly_what_no_well_formed_sequence_holds(scheme: LabelScheme) -> None:
    """Against all sequences of four labels of two kinds that are what the scheme would write."""
    labels = ["O", *(f"{prefix}-{kind}" for prefix in PREFIXES[scheme] for kind in ("A", "B"))]
    seen, first = set(), set()
    for sequence in product(labels, repeat=4):
        if convert_scheme(sequence, scheme) == list(sequence):
            first.add(sequence[0])
            seen.update(pairwise(sequence))
    forbidden, forbidden_start = forbidden_transitions(labels, scheme)
    expected = [[(before, here) not in seen for here in labels] for before in labels]
    assert forbidden.tolist() == expected
    assert forbidden_start.tolist() == [label not in first for label in labels]


def test_bilou_is_bioes_by_other_letters() -> None:
    bioes = ["S-LOC", "S-LOC", "B-PER", "E-PER", "O", "B-PER", "I-PER", "E-PER", "S-PER", "E-LOC", "I-LOC"]
    bioes += ["B-PER", "S-PER", "I-LOC", "S-LOC"]
    bilou = [label.replace("S-", "U-").replace("E-", "L-") for label in bioes]
    assert labels_to_entities(bilou) == labels_to_entities(bioes)


def test_entities_that_overlap_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="overlaps"):
        entities_to_labels([Entity(start=0, end=2, kind="A"), Entity(start=1, end=3, kind="A")], 3, "IOB2")
    with pytest.raises(ValueError, match="overlaps"):
        entities_to_labels([Entity(start=2, end=4, kind="A")], 3, "IOB2")


def test_nothing_found_and_nothing_to_find_is_no_error() -> None:
    nothing = token_label_metrics([["O", "O"]] * MIN_UNITS, [["O", "O"]] * MIN_UNITS)
    assert (nothing.overall.f1, nothing.f1.interval, nothing.token_accuracy.value) == (0.0, (0.0, 0.0), 1.0)
    wrong_kind = token_label_metrics([["B-A", "I-A"]], [["B-B", "I-B"]])
    assert (wrong_kind.overall.precision.n, wrong_kind.overall.recall.n, wrong_kind.overall.f1) == (1, 1, 0.0)


def test_the_interval_is_as_wide_as_theory_says_and_follows_its_seed() -> None:
    """One entity per sentence, found or not, none too many: F1's spread by the delta method, 2/(1+r)² · sd(r)."""
    counts = torch.zeros(400, 3, dtype=torch.long)
    counts[:, 1], counts[:300, 0], counts[:300, 2] = 1, 1, 1
    low, high = bootstrap_f1(counts, seed=1, resamples=4000)
    recall = 0.75
    half = 1.96 * 2 / (1 + recall) ** 2 * (recall * (1 - recall) / 400) ** 0.5
    assert (low, high) == pytest.approx((6 / 7 - half, 6 / 7 + half), abs=0.006)
    assert bootstrap_f1(counts, seed=1) == bootstrap_f1(counts, seed=1) != bootstrap_f1(counts, seed=2)


@pytest.mark.parametrize(("truth", "predicted"), [([], []), ([["O"]], []), ([["O"]], [["O", "O"]])])
def test_sentences_that_do_not_match_are_refused(truth: list[list[str]], predicted: list[list[str]]) -> None:
    with pytest.raises(ValueError, match="sentences"):
        token_label_metrics(truth, predicted)


def test_frame_error_counts_frames() -> None:
    found = label_error_rate([["a", "b"], ["c"]], [["a", "c"], ["c"]])
    assert (found.value, found.n) == (pytest.approx(1 / 3), 3)
    with pytest.raises(ValueError, match="differ"):
        label_error_rate([["a"]], [["a", "b"]])
