"""The network for tables: gaps, unknown categories, rows that do not touch each other."""

import math

import pytest
import torch

from capas.networks.tabular.tabular_resnet import TabularResNet, TabularResNetConfig, embedding_size


def network(dropout: float = 0.0) -> TabularResNet:
    return TabularResNet(
        TabularResNetConfig(numbers=3, categories=(4, 7), outputs=2, width=16, blocks=2, dropout=dropout)
    )


def rows(n: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    numbers = torch.randn(n, 3)
    numbers[0, 1] = math.nan
    return numbers, torch.stack([torch.randint(4, (n,)), torch.randint(7, (n,))], 1)


@pytest.mark.parametrize("training", [False, True])
def test_a_row_gives_alone_what_it_gives_in_a_batch(training: bool) -> None:
    net = network().train(training)
    numbers, categories = rows()
    singly = [net(numbers[i : i + 1], categories[i : i + 1]) for i in range(len(numbers))]
    torch.testing.assert_close(net(numbers, categories), torch.cat(singly))


def test_missing_is_not_the_mean_and_gives_no_nan() -> None:
    net = network()
    numbers, categories = rows()
    gaps = net(numbers, categories)
    mean = net(torch.nan_to_num(numbers), categories)
    assert torch.isfinite(gaps).all()
    assert not torch.allclose(gaps[0], mean[0])
    torch.testing.assert_close(gaps[1:], mean[1:])
    gaps.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_unknown_categories_are_the_missing_one() -> None:
    net = network()
    numbers, categories = rows(2)
    categories[:, 0], known = torch.tensor([99, -1]), categories.clone()
    known[:, 0] = 0
    torch.testing.assert_close(net(numbers, categories), net(numbers, known))
    known[:, 0] = 2
    assert not torch.allclose(net(numbers, categories), net(numbers, known))


def test_parameters_are_counted_to_the_unit() -> None:
    arriving = 2 * 3 + embedding_size(4) + embedding_size(7)
    block = 2 * 16 + (16 * 32 + 32) + (32 * 16 + 16)
    expected = 4 * embedding_size(4) + 7 * embedding_size(7) + arriving * 16 + 16 + 2 * block + 2 * 16 + 16 * 2 + 2
    assert sum(p.numel() for p in network().parameters()) == expected


@pytest.mark.parametrize(("numbers", "categories"), [(2, ()), (0, (3,))])
def test_either_kind_of_column_may_be_absent(numbers: int, categories: tuple[int, ...]) -> None:
    net = TabularResNet(TabularResNetConfig(numbers=numbers, categories=categories, outputs=1))
    given = torch.zeros(4, len(categories), dtype=torch.long)
    assert net(torch.randn(4, numbers), given).shape == (4, 1)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="column"):
        TabularResNetConfig(numbers=0, categories=(), outputs=1)
    with pytest.raises(ValueError, match="categories"):
        TabularResNetConfig(numbers=1, categories=(0,), outputs=1)
    with pytest.raises(ValueError, match="outputs"):
        TabularResNetConfig(numbers=1, categories=(), outputs=0)
    with pytest.raises(ValueError, match="dropout"):
        TabularResNetConfig(numbers=1, categories=(), outputs=1, dropout=1.0)


def blended() -> TabularResNet:
    config = TabularResNetConfig(numbers=3, categories=(4, 7), outputs=2, width=8, blocks=1, blended=True)
    return TabularResNet(config).eval()


def test_the_linear_part_is_a_product_with_one_hot_columns() -> None:
    net, (numbers, categories) = blended(), rows()
    categories[1] = 0  # missing or unknown
    weight = net.get_buffer("linear_weight").normal_()
    bias = net.get_buffer("linear_bias").normal_()
    net.get_buffer("share").zero_()
    hot = [torch.nn.functional.one_hot(categories[:, c], size)[:, 1:].float() for c, size in enumerate((4, 7))]
    columns = torch.cat([torch.nan_to_num(numbers), numbers.isnan().float(), *hot], 1)
    torch.testing.assert_close(net(numbers, categories), columns @ weight + bias)


def test_the_answer_is_shared_in_the_stated_parts() -> None:
    net, (numbers, categories) = blended(), rows()
    net.get_buffer("linear_weight").normal_()
    share, answers = net.get_buffer("share"), {}
    for value in (0.0, 1.0, 0.25):
        share.fill_(value)
        answers[value] = net(numbers, categories)
    torch.testing.assert_close(answers[0.25], 0.25 * answers[1.0] + 0.75 * answers[0.0])
    assert not torch.allclose(answers[0.0], answers[1.0])
