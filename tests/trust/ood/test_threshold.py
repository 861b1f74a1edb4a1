"""Combined scores: false alarms as stated, AUROC as scikit-learn counts it, a blind score switched off."""

import math

import pytest
import torch
from safetensors.torch import load, save
from sklearn.metrics import roc_auc_score

from capas.trust.ood.detection_metrics import auroc, detection_rate_at
from capas.trust.ood.threshold import FisherCombination, most_ood_first, uninformative_scores


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scores(n: int, seed: int, shift: float = 0.0) -> dict[str, torch.Tensor]:
    common = torch.randn(n, generator=rng(seed))
    own = torch.randn(2, n, generator=rng(seed + 1000))
    return {"near": common + own[0] + shift, "drawn": (common + own[1] + shift).exp()}


def test_fishers_sum_by_hand() -> None:
    held = {"a": torch.tensor([3.0, 1.0, 2.0]), "b": torch.tensor([10.0, 30.0, 20.0])}
    model = FisherCombination.fit(held, target_fpr=0.25)
    # p-values among themselves: a → 1/3, 3/3, 2/3; b → 3/3, 1/3, 2/3.
    assert model.sums.tolist() == pytest.approx(sorted([math.log(3), math.log(3), 2 * math.log(1.5)]))
    assert model.threshold == pytest.approx(math.log(3))
    asked = {"a": torch.tensor([2.5, 9.0]), "b": torch.tensor([20.0, 99.0]), "unknown": torch.zeros(2)}
    assert model.score(asked).tolist() == pytest.approx([-math.log(2 / 4) - math.log(3 / 4), 2 * math.log(4)])
    assert model.is_ood(asked).tolist() == [False, True]
    assert model.in_distribution_percentile(asked).tolist() == pytest.approx([1 / 3, 1.0])


def test_false_alarms_stay_at_the_stated_rate() -> None:
    """Over draws of both sets; each score's own 5 % would give some 8 % together."""
    alarms = [
        float(FisherCombination.fit(scores(200, seed)).is_ood(scores(400, seed + 5000)).float().mean())
        for seed in range(60)
    ]
    assert 0.035 < sum(alarms) / len(alarms) < 0.06
    model = FisherCombination.fit(scores(200, 0))
    assert detection_rate_at(model.score(scores(400, 1, shift=4.0)), model.threshold).value > 0.9


def test_too_few_examples_raise_no_alarm_and_bad_input_is_refused() -> None:
    model = FisherCombination.fit(scores(10, 0))
    assert model.threshold == math.inf and not model.is_ood(scores(5, 1, shift=99.0)).any()
    for held, share in (
        ({"a": torch.zeros(3), "b": torch.zeros(2)}, 0.05),
        ({"a": torch.zeros(0)}, 0.05),
        (scores(9, 0), 1.0),
    ):
        with pytest.raises(ValueError, match="scores of"):
            FisherCombination.fit(held, target_fpr=share)


def test_loaded_is_saved() -> None:
    model = FisherCombination.fit(scores(100, 0))
    again = FisherCombination.from_tensors(load(save(model.tensors())))
    assert set(again.names) == set(model.names) and again.threshold == model.threshold
    assert torch.equal(again.score(scores(50, 1)), model.score(scores(50, 1)))


def test_auroc_is_scikit_learns_with_ties() -> None:
    usual, unusual = (
        torch.randint(0, 9, (80,), generator=rng()).float(),
        torch.randint(3, 12, (50,), generator=rng(1)).float(),
    )
    truth = [0] * 80 + [1] * 50
    found = auroc(usual, unusual)
    assert found.value == pytest.approx(roc_auc_score(truth, torch.cat([usual, unusual])))
    assert found.n == 130 and found.interval[0] < found.value < found.interval[1]
    assert auroc(unusual, usual).value == pytest.approx(1 - found.value)
    assert auroc(torch.zeros(9), torch.ones(9)).interval[0] < 1 == auroc(torch.zeros(9), torch.ones(9)).value
    with pytest.raises(ValueError, match="usual"):
        auroc(torch.zeros(0), torch.ones(2))


def test_the_interval_of_an_auroc_covers_the_true_one() -> None:
    """Two normals one standard deviation apart: Φ(1/√2) = 0.7602."""
    held = [
        auroc(torch.randn(60, generator=rng(s)), torch.randn(60, generator=rng(s + 999)) + 1).interval
        for s in range(300)
    ]
    assert 0.92 < sum(low <= 0.76025 <= high for low, high in held) / 300 < 0.98


def test_a_score_that_takes_noise_for_its_own_is_switched_off() -> None:
    usual = {"good": torch.arange(50.0), "blind": torch.arange(50.0)}
    noise = {"good": torch.full((20,), 99.0), "blind": torch.full((20,), -1.0)}
    assert uninformative_scores(usual, noise) == ("blind",)
    assert most_ood_first(torch.tensor([1.0, 3.0, 2.0]), ["a", "b", "c"]) == ("b", "c", "a")
