"""Linear models of sparse features."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.svm import LinearSVC

from capas.baselines import sparse_linear
from capas.baselines.sparse_linear import fit_sparse_linear

RNG = np.random.default_rng(0)
WORDS = csr_matrix(RNG.random((240, 30)) * (RNG.random((240, 30)) < 0.3), dtype=np.float32)
LABELS = torch.from_numpy(np.asarray(WORDS[:, :3].todense()).argmax(1))


def test_classes_are_those_of_support_vector_machines_and_probabilities_are_calibrated() -> None:
    found = fit_sparse_linear(WORDS[:160], LABELS[:160], "class", 3)
    model = LinearSVC(C=found.penalty, random_state=0).fit(WORDS[:160], LABELS[:160].numpy())
    predicted = found.predict(WORDS[160:])
    assert (predicted.argmax(1).numpy() == model.predict(WORDS[160:])).mean() > 0.95
    torch.testing.assert_close(predicted.sum(1), torch.ones(80))
    stated, right = predicted.max(1).values.mean(), (predicted.argmax(1) == LABELS[160:]).float().mean()
    assert abs(float(stated) - float(right)) < 0.15 and float(right) > 0.75


def test_tags_that_none_or_all_have_are_known() -> None:
    tags = torch.stack([LABELS == 0, torch.zeros(240), torch.ones(240)], 1).bool()
    predicted = fit_sparse_linear(WORDS, tags, "tags", 3).predict(WORDS)
    assert float(predicted[:, 1].max()) < 0.05 and float(predicted[:, 2].min()) > 0.95
    assert float(((predicted[:, 0] > 0.5) == tags[:, 0]).float().mean()) > 0.85


def test_a_class_without_examples_is_next_to_impossible() -> None:
    predicted = fit_sparse_linear(WORDS, LABELS.clamp(max=1), "class", 4).predict(WORDS)
    assert float(predicted[:, 2:].max()) < 0.02


def test_numbers_are_a_ridge_regression() -> None:
    targets = torch.from_numpy(np.asarray(WORDS[:, :2].todense()) @ np.array([[2.0], [-1.0]]) + 0.5)
    found = fit_sparse_linear(WORDS, targets, "numbers", 1)
    assert found.penalty == 0.03 and found.kind == "numbers"
    assert float((found.predict(WORDS) - targets).abs().mean()) == pytest.approx(0, abs=0.05)


def test_the_strongest_penalty_within_a_standard_error_of_the_best_is_taken() -> None:
    best = torch.tensor([0.0, 1.0] * 50)  # mean 0.5, standard error 0.05
    near, far = best + 0.04, best + 0.06
    assert sparse_linear._strongest_of_the_best([(far, 0.1, 1.0), (near, 1.0, 2.0), (best, 10.0, 3.0)])[1] == 1.0
    assert sparse_linear._strongest_of_the_best([(far, 0.1, 1.0), (best, 10.0, 3.0)])[1] == 10.0
    assert sparse_linear._strongest_of_the_best([(best[:1], 0.1, 1.0)])[1] == 0.1
