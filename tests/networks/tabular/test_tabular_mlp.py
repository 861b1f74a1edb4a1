"""The perceptrons for tables: what a number is encoded as, gaps, unknown categories, members that do not touch."""

import math

import pytest
import torch

from capas.networks.tabular.tabular_mlp import TabularMLP, TabularMLPConfig, quantile_edges


def network(**changes: object) -> TabularMLP:
    settings = {"numbers": 2, "categories": (4, 3), "outputs": 2, "members": 3, "width": 8, "bins": 2, "dropout": 0.0}
    return TabularMLP(TabularMLPConfig(**settings | changes), torch.tensor([[-1.0, 0, 1], [-1, 0, 1]])).eval()  # type: ignore[arg-type]


def rows(n: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    numbers = torch.randn(n, 2)
    numbers[0, 1] = math.nan
    return numbers, torch.stack([torch.randint(4, (n,)), torch.randint(3, (n,))], 1)


def test_numbers_are_encoded_piecewise_by_hand() -> None:
    numbers = torch.tensor([[-0.5, 2.0], [math.nan, -3.0]])
    found = network().encode(numbers, torch.tensor([[1, 0], [9, 2]]))
    # Numbers, gaps, two bins of each number, one-hot categories; 9 is unknown.
    assert found.tolist() == [
        [-0.5, 2, 0, 0, 0.5, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0],
        [0, -3, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1],
    ]


def test_where_edges_coincide_the_bin_is_a_step() -> None:
    net = TabularMLP(
        TabularMLPConfig(numbers=1, categories=(), outputs=1, members=2, bins=2), torch.tensor([[0.0, 0.0, 1.0]])
    )
    found = net.encode(torch.tensor([[-0.1], [0.0], [0.5]]), torch.zeros(3, 0, dtype=torch.int64))
    assert found[:, 2:].tolist() == [[0, 0], [0, 0], [1, 0.5]]


@pytest.mark.parametrize("training", [False, True])
def test_a_row_gives_alone_what_it_gives_in_a_batch(training: bool) -> None:
    net = network().train(training)
    numbers, categories = rows()
    singly = [net(numbers[i : i + 1], categories[i : i + 1]) for i in range(len(numbers))]
    torch.testing.assert_close(net(numbers, categories), torch.cat(singly))
    assert singly[0].shape == (1, 3, 2)


def test_missing_is_not_the_mean_and_gives_no_nan() -> None:
    net = network()
    numbers, categories = rows()
    gaps, mean = net(numbers, categories), net(torch.nan_to_num(numbers), categories)
    assert torch.isfinite(gaps).all() and not torch.allclose(gaps[0], mean[0])
    torch.testing.assert_close(gaps[1:], mean[1:])
    gaps.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_members_share_no_weight() -> None:
    net = network()
    net(*rows())[:, 1].sum().backward()
    for parameter in net.parameters():
        assert parameter.grad is not None
        assert parameter.grad[1].abs().sum() > 0 and parameter.grad[[0, 2]].abs().sum() == 0


def test_parameters_are_counted_to_the_unit() -> None:
    inputs = (2 + 2) * 2 + 4 + 3
    expected = 3 * ((inputs * 8 + 8) + (8 * 8 + 8) + (8 * 2 + 2))
    assert sum(p.numel() for p in network().parameters()) == expected


def test_edges_are_quantiles_without_gaps() -> None:
    column = torch.cat([torch.arange(101.0).flip(0), torch.tensor([math.nan])])
    found = quantile_edges(torch.stack([column, torch.full((102,), math.nan)], 1), 4)
    assert found.tolist() == [[0, 25, 50, 75, 100], [0] * 5]
    assert quantile_edges(torch.zeros(5, 2), 0).shape == (2, 1)


@pytest.mark.parametrize("bad", [{"numbers": 0, "categories": ()}, {"categories": (0,)}, {"width": 0}, {"dropout": 1}])
def test_impossible_sizes_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected|is 0"):
        network(**bad)
