"""Sets cover as stated, whatever the probabilities; by hand on a few examples."""

import math

import pytest
import torch

from capas.metrics.conformal_classification import ConformalScore, PredictionSets, set_coverage


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def answers(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Overconfident probabilities: the truth is drawn from a much flatter distribution."""
    logits = torch.randn(n, 6, generator=rng(seed))
    return (4 * logits).softmax(1), torch.multinomial((1.5 * logits).softmax(1), 1, generator=rng(seed + 1))[:, 0]


@pytest.mark.parametrize("method", ["lac", "aps"])
@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_the_true_class_is_in_the_set_as_often_as_stated(method: ConformalScore, level: float) -> None:
    shares = []
    for seed in range(30):
        model = PredictionSets.fit(*answers(200, 2 * seed), rng(seed), level=level, method=method)
        probabilities, targets = answers(500, 2 * seed + 1000)
        shares.append(set_coverage(model.sets(probabilities, rng(seed + 1)), targets).coverage.value)
    assert level - 0.015 < sum(shares) / 30 < level + 0.04


def test_each_class_is_covered_when_asked() -> None:
    """Class 0 is never thought probable: one quantile for all leaves it out."""
    probabilities, targets = answers(3000, 0)
    probabilities[:, 0] *= 0.1
    probabilities /= probabilities.sum(1, keepdim=True)
    half = (probabilities[:1500], targets[:1500]), (probabilities[1500:], targets[1500:])
    for per_class in (False, True):
        model = PredictionSets.fit(*half[0], rng(), level=0.8, per_class=per_class)
        found = set_coverage(model.sets(half[1][0], rng()), half[1][1])
        assert (found.per_class[0].value > 0.72) == per_class


def test_lac_by_hand() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    targets = torch.tensor([0, 0, 1, 1])  # scores 0.1, 0.2, 0.3, 0.6
    model = PredictionSets.fit(probabilities, targets, rng(), level=0.6)
    assert model.quantiles.tolist() == pytest.approx([0.3, 0.3])
    asked = torch.tensor([[0.75, 0.25], [0.5, 0.5], [0.3, 0.7]])
    assert model.sets(asked, rng()).tolist() == [[True, False], [True, False], [False, True]]  # never empty
    few = PredictionSets.fit(probabilities, targets, rng(), level=0.95)
    assert few.quantiles.tolist() == [math.inf] * 2 and few.sets(asked, rng()).all()


def test_aps_scores_add_what_is_more_probable() -> None:
    probabilities = torch.tensor([[0.5, 0.3, 0.2]]).repeat(2000, 1)
    model = PredictionSets(method="aps", level=0.9, quantiles=torch.full((3,), 0.65, dtype=torch.float64), n=10)
    shares = model.sets(probabilities, rng()).double().mean(0)
    # 0.5 + u · 0.3 ≤ 0.65 in half of the cases; the third needs 0.8 at least.
    assert shares.tolist() == pytest.approx([1.0, 0.5, 0.0], abs=0.03)


def test_counts_of_sets() -> None:
    sets = torch.tensor([[True, False, False], [True, True, False], [False, False, True]])
    found = set_coverage(sets, torch.tensor([0, 2, 2]))
    assert (found.coverage.value, found.mean_size, found.single.value) == pytest.approx((2 / 3, 4 / 3, 2 / 3))
    assert [one.n for one in found.per_class] == [1, 0, 2]
    with pytest.raises(ValueError, match="no sets"):
        set_coverage(sets[:0], torch.zeros(0, dtype=torch.long))
    with pytest.raises(ValueError, match="level"):
        PredictionSets.fit(torch.ones(1, 1), torch.zeros(1, dtype=torch.long), rng(), level=1.0)
