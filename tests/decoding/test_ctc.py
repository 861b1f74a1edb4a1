"""CTC against the sum over all alignments."""

import math
from collections import defaultdict
from itertools import product

import pytest
import torch
from torch import Tensor

from capas.decoding.ctc import (
    BLANK,
    collapse_ctc_path,
    ctc_beam_search,
    ctc_forced_alignment,
    ctc_greedy_search,
    min_ctc_frames,
)
from capas.objectives.ctc_loss import ctc_loss

T, K = 5, 3


def lines(n: int = 4, *, sharp: float = 2.0) -> Tensor:
    return (sharp * torch.randn(n, T, K, dtype=torch.double)).log_softmax(2)


def by_definition(log_probs: Tensor) -> dict[tuple[int, ...], float]:
    """P(labels) for every labelling, summed over all K^T paths."""
    found: dict[tuple[int, ...], float] = defaultdict(float)
    for path in product(range(K), repeat=len(log_probs)):
        merged = [label for t, label in enumerate(path) if t == 0 or path[t - 1] != label]
        labels = tuple(label for label in merged if label)
        found[labels] += math.exp(sum(float(log_probs[t, label]) for t, label in enumerate(path)))
    assert sum(found.values()) == pytest.approx(1)
    return found


def test_the_loss_is_the_sum_over_all_alignments() -> None:
    log_probs, frames = lines(), torch.tensor([5, 4, 3, 5])
    labellings = [(1, 2), (1, 1), (), (2, 1, 1)]
    padded = torch.zeros(4, 3, dtype=torch.long)
    for row, labels in enumerate(labellings):
        padded[row, : len(labels)] = torch.tensor(labels, dtype=torch.long)
    losses = ctc_loss(log_probs, frames, padded, torch.tensor([len(labels) for labels in labellings]))
    for row, labels in enumerate(labellings):
        assert math.exp(-losses[row]) == pytest.approx(by_definition(log_probs[row, : frames[row]])[labels])


def test_too_few_frames_are_infinitely_unlikely() -> None:
    assert min_ctc_frames([1, 1, 2]) == 4 and min_ctc_frames([]) == 0
    labels, lengths = torch.tensor([[1, 1, 2]] * 2), torch.tensor([3, 3])
    losses = ctc_loss(lines(2), torch.tensor([3, 4]), labels, lengths)
    assert torch.isinf(losses).tolist() == [True, False]


def test_a_full_beam_finds_every_labelling_with_its_probability() -> None:
    for log_probs in lines():
        expected = by_definition(log_probs)
        found = ctc_beam_search(log_probs, width=1000, min_log_probability=-math.inf)
        assert {r.labels: math.exp(r.log_probability) for r in found} == pytest.approx(expected)
        probabilities = [reading.log_probability for reading in found]
        assert probabilities == sorted(probabilities, reverse=True)


def test_a_narrow_beam_keeps_the_best_and_sums_more_than_one_path() -> None:
    """The case of Graves 2006, Figure 2: the best path is blank, the best labelling is not."""
    log_probs = torch.tensor([[0.6, 0.4], [0.6, 0.4]], dtype=torch.double).log()
    (best,) = ctc_greedy_search(log_probs[None], torch.tensor([2]))
    assert best.labels == () and math.exp(best.log_probability) == pytest.approx(0.36)
    found = ctc_beam_search(log_probs, width=2)
    assert found[0].labels == (1,) and math.exp(found[0].log_probability) == pytest.approx(0.64)
    assert len(ctc_beam_search(log_probs, width=1)) == 1


def test_greedy_reads_the_best_path_of_each_line() -> None:
    log_probs, frames = lines(), torch.tensor([5, 2, 3, 1])
    for row, reading in enumerate(ctc_greedy_search(log_probs, frames)):
        n = int(frames[row])
        paths = {p: sum(float(log_probs[row, t, k]) for t, k in enumerate(p)) for p in product(range(K), repeat=n)}
        best = max(paths, key=paths.__getitem__)
        assert reading.labels == collapse_ctc_path(best) and reading.log_probability == pytest.approx(paths[best])


def test_a_language_model_and_a_bonus_order_the_readings() -> None:
    """With a full beam the order is that of the stated sum, and the model is asked once per prefix."""
    log_probs, asked = lines(1)[0], []

    def model(before: tuple[int, ...], label: int) -> float:
        asked.append((*before, label))
        if label == BLANK:
            return math.log(0.9 if len(before) % 2 else 0.2)
        return math.log(0.9 if label == len(before) % 2 + 1 else 0.1)

    found = ctc_beam_search(
        log_probs, width=1000, min_log_probability=-math.inf, language_model=model, language_weight=0.7, label_bonus=0.3
    )
    expected = {}
    for labels, probability in by_definition(log_probs).items():
        spoken = sum(math.log(0.9 if label == t % 2 + 1 else 0.1) for t, label in enumerate(labels))
        ended = math.log(0.9 if len(labels) % 2 else 0.2)
        expected[labels] = math.log(probability) + 0.7 * (spoken + ended) + 0.3 * len(labels)
    assert [r.labels for r in found] == sorted(expected, key=expected.__getitem__, reverse=True)
    assert len(asked) == len(set(asked))


def test_what_is_unlikely_in_a_frame_is_not_tried() -> None:
    log_probs = torch.tensor([[0.5, 0.4999, 0.0001]] * 2, dtype=torch.double).log()
    assert all(2 not in reading.labels for reading in ctc_beam_search(log_probs, min_log_probability=-5.0))
    assert any(2 in reading.labels for reading in ctc_beam_search(log_probs, min_log_probability=-12.0))


def test_a_beam_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="width"):
        ctc_beam_search(lines(1)[0], width=0)


def test_labels_are_aligned_as_on_the_best_of_all_paths() -> None:
    for log_probs in lines():
        for labels in ((), (1,), (1, 1), (1, 2, 1), (2, 1), (2, 2, 1)):
            paths = [path for path in product(range(K), repeat=T) if collapse_ctc_path(path) == labels]
            best = max(paths, key=lambda path: sum(float(log_probs[t, k]) for t, k in enumerate(path)))
            starts = [t for t, label in enumerate(best) if label and (t == 0 or best[t - 1] != label)]
            ends = [t + 1 for t, label in enumerate(best) if label and (t == T - 1 or best[t + 1] != label)]
            assert ctc_forced_alignment(log_probs.numpy(), labels) == list(zip(starts, ends, strict=True)), labels


def test_labels_for_which_there_are_too_few_frames_are_not_aligned() -> None:
    with pytest.raises(ValueError, match="frames"):
        ctc_forced_alignment(lines(1)[0].numpy(), (1, 1, 1, 1))
