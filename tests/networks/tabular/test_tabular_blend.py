"""The weighted mean of the parts of a table's model."""

import pytest
import torch

from capas.core.spec import OutputKind
from capas.networks.tabular.tabular_blend import TabularBlend, TabularBlendConfig, tree_features
from capas.networks.tabular.tabular_mlp import TabularMLPConfig
from capas.networks.tabular.tree_ensemble import TreeEnsembleConfig

MLP = TabularMLPConfig(numbers=1, categories=(3,), outputs=2, members=2, width=4, bins=0)
NUMBERS, CATEGORIES = torch.tensor([[1.0], [float("nan")]]), torch.tensor([[2], [0]])


def blend(output: OutputKind, shares: list[float]) -> TabularBlend:
    one_leaf = TreeEnsembleConfig(trees=1, nodes=1, depth=0, values=2, outputs=2)
    config = TabularBlendConfig(mlp=MLP, output=output, trees={"boosting": one_leaf, "forest": one_leaf}, linear=True)
    torch.manual_seed(0)
    made = TabularBlend(config).eval()
    with torch.no_grad():
        for trees in made.trees.values():
            trees.weights.fill_(1.0)
            trees.value.copy_(torch.tensor([[0.2, 0.8]]))
        # Columns of the linear model: the number, its gap, category 1, category 2.
        made.linear_weight.copy_(torch.tensor([[1.0, 0], [2, 0], [4, 0], [8, 0]]))
        made.linear_bias.copy_(torch.tensor([0.5, 0]))
    made.shares.copy_(torch.tensor(shares))
    return made


def test_parts_are_in_the_order_of_their_shares() -> None:
    made = blend("numbers", [0.25, 0.25, 0.25, 0.25])
    assert made.config.parts == ("network", "boosting", "forest", "linear")
    assert tuple(made.part_predictions(NUMBERS, CATEGORIES)) == made.config.parts


def test_numbers_are_a_weighted_mean_and_the_linear_model_is_right_by_hand() -> None:
    made = blend("numbers", [0.0, 0.5, 0.0, 0.5])
    # Row 0: 0.5 + 1 + 8; row 1: 0.5 + 2, and its category is unknown.
    assert made(NUMBERS, CATEGORIES)[:, 0].tolist() == pytest.approx([(0.2 + 9.5) / 2, (0.2 + 2.5) / 2])


def test_classes_are_a_mean_of_probabilities() -> None:
    made = blend("class", [0.0, 0.5, 0.5, 0.0])
    # Boosted trees hold logits, a forest's leaves probabilities.
    boosted = torch.tensor([0.2, 0.8]).softmax(0)
    found = made(NUMBERS, CATEGORIES).softmax(1)
    torch.testing.assert_close(found[0], (boosted + torch.tensor([0.2, 0.8])) / 2)


def test_tags_come_back_as_logits() -> None:
    torch.testing.assert_close(
        blend("tags", [0.0, 0.0, 1.0, 0.0])(NUMBERS, CATEGORIES).sigmoid(), torch.tensor([[0.2, 0.8]] * 2)
    )


def test_alone_the_network_answers_with_the_mean_of_its_members() -> None:
    made = TabularBlend(TabularBlendConfig(mlp=MLP, output="class")).eval()
    members = made.mlp(NUMBERS, CATEGORIES).softmax(-1)
    torch.testing.assert_close(made(NUMBERS, CATEGORIES).softmax(1), members.mean(1))


def test_trees_see_few_values_one_hot_and_many_by_their_place() -> None:
    categories = torch.tensor([[1, 40], [7, 99]])
    found = tree_features(NUMBERS, categories, (3, 50))
    assert found[0].tolist() == [1, 0, 1, 0, 40] and found[1, 1:].tolist() == [1, 0, 0, 0]
    assert found[1, 0].isnan()
