"""What baselines learn from: at most 20,000 training examples, spread evenly; tested in parts."""

import torch
from torch import Tensor

from capas.engine.recipes.single_output.heads.base import BaselineData
from capas.engine.recipes.single_output.linear_baseline import DENSE_BASELINE


def identity(positions: Tensor) -> Tensor:
    return positions[:, None].float()


def test_few_examples_are_all_taken() -> None:
    targets = torch.arange(10) * 2
    data = BaselineData(identity, targets, torch.tensor([7, 1, 3]), torch.tensor([0, 9]), DENSE_BASELINE)
    assert data.train_features().tolist() == [[7.0], [1.0], [3.0]] and data.train_targets.tolist() == [14, 2, 6]
    assert data.test_targets.tolist() == [0, 18] and not data.tabular


def test_many_are_thinned_evenly_and_all_targets_stay_known() -> None:
    targets = torch.arange(50_000)
    data = BaselineData(identity, targets, torch.arange(50_000), torch.arange(1), DENSE_BASELINE, tabular=True)
    assert len(data.train) == 20_000 and data.train[:3].tolist() == [0, 2, 4] and len(data.all_train_targets) == 50_000
    assert len(data.train_features()) == 20_000 and data.tabular


def test_test_examples_are_asked_two_thousand_at_a_time() -> None:
    sizes = list[int]()

    def predict(features: Tensor) -> Tensor:
        sizes.append(len(features))
        return features[:, 0] + 1

    data = BaselineData(identity, torch.arange(5000), torch.arange(1), torch.arange(4500), DENSE_BASELINE)
    assert torch.equal(data.test_predictions(predict), torch.arange(4500) + 1.0) and sizes == [2000, 2000, 500]


def test_the_linear_baseline_is_fitted_to_training_and_asked_about_test_examples() -> None:
    targets = torch.arange(100) * 3.0
    data = BaselineData(identity, targets[:, None], torch.arange(0, 90), torch.arange(90, 100), DENSE_BASELINE)
    name, found = data.linear_predictions("numbers", 1)
    assert name == "ridge" and torch.allclose(found[:, 0].float(), targets[90:], atol=0.5)
