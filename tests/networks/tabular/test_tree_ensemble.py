"""Trees as tensors, on two trees drawn by hand."""

import math

import pytest
import torch

from capas.networks.tabular.tree_ensemble import TreeEnsemble, TreeEnsembleConfig


def two_trees(weights: list[list[float]]) -> TreeEnsemble:
    """Tree 0: x0 ≤ 1 → 10, else x1 ≤ 5 → 20, else 30; gaps of x0 go right, of x1 left. Tree 1: a leaf, 7."""
    made = TreeEnsemble(TreeEnsembleConfig(trees=2, nodes=6, depth=2, values=1, outputs=len(weights[0])))
    made.load_state_dict({
        "feature": torch.tensor([0, 0, 1, 0, 0, 0], dtype=torch.int32),
        "threshold": torch.tensor([1.0, 0, 5, 0, 0, 0]),
        "branches": torch.tensor([[1, 2], [1, 1], [3, 4], [3, 3], [4, 4], [5, 5]], dtype=torch.int32),
        "missing_left": torch.tensor([False, False, True, False, False, False]),
        "value": torch.tensor([[0.0], [10], [0], [20], [30], [7]]),
        "roots": torch.tensor([0, 5]),
        "weights": torch.tensor(weights),
        "offset": torch.full((len(weights[0]),), 0.5),
    })  # fmt: skip
    return made


ROWS = torch.tensor([[1.0, 9.0], [1.5, 5.0], [1.5, 5.1], [math.nan, 9.0], [2.0, math.nan]])


def test_rows_fall_to_their_leaves() -> None:
    assert two_trees([[1.0], [1.0]])(ROWS)[:, 0].tolist() == [17.5, 27.5, 37.5, 37.5, 27.5]


def test_a_tree_counts_for_the_outputs_that_it_has_weights_for() -> None:
    found = two_trees([[1.0, 0.0], [0.0, 2.0]])(ROWS[:2])
    assert found.tolist() == [[10.5, 14.5], [20.5, 14.5]]


def test_leaves_may_hold_a_value_for_each_output() -> None:
    made = TreeEnsemble(TreeEnsembleConfig(trees=1, nodes=3, depth=1, values=2, outputs=2))
    made.branches.copy_(torch.tensor([[1, 2], [1, 1], [2, 2]]))
    with torch.no_grad():
        made.value.copy_(torch.tensor([[0.0, 0], [0.25, 0.75], [1, 0]]))
    made.weights.fill_(1.0)
    assert made(torch.tensor([[-1.0], [1.0]])).tolist() == [[0.25, 0.75], [1, 0]]


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="values 1 or as many as outputs"):
        TreeEnsembleConfig(trees=1, nodes=1, depth=0, values=2, outputs=3)
