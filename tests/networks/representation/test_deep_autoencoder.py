"""The deep autoencoder: the paper's size, tied weights, and the way back."""

import pytest
import torch

from capas.networks.representation.deep_autoencoder import (
    DOCUMENT_LAYERS,
    DeepAutoencoder,
    DeepAutoencoderConfig,
    HiddenUnits,
)


def parameters(config: DeepAutoencoderConfig) -> int:
    return sum(p.numel() for p in DeepAutoencoder(config).parameters())


def test_the_networks_of_the_paper_to_the_last_number() -> None:
    documents = DeepAutoencoderConfig(shape=(2000,), layers=DOCUMENT_LAYERS, code=2, output="softmax")
    assert parameters(DeepAutoencoderConfig()) == parameters(DeepAutoencoderConfig(hidden="rectified")) == 2_837_314
    assert parameters(documents) == 2_316_752
    # Tied: the matrices once, and a bias for every unit of both ways.
    matrices = 784 * 1000 + 1000 * 500 + 500 * 250 + 250 * 30
    biases = (1000 + 500 + 250 + 30) + (250 + 500 + 1000 + 784)
    assert parameters(DeepAutoencoderConfig(tied=True)) == matrices + biases


@pytest.mark.parametrize("hidden", ["logistic", "rectified"])
@pytest.mark.parametrize("tied", [False, True])
def test_gradients_are_finite_differences(tied: bool, hidden: HiddenUnits) -> None:
    torch.manual_seed(0)
    config = DeepAutoencoderConfig(shape=(5,), layers=(4, 3), code=2, tied=tied, hidden=hidden)
    network = DeepAutoencoder(config).double()
    inputs = torch.rand(3, 5, dtype=torch.float64)

    def loss() -> torch.Tensor:
        return (network.reconstruct(inputs) - inputs).square().sum()

    loss().backward()
    for parameter in network.parameters():
        flat, step = parameter.data.view(-1), 1e-6
        for place in range(0, len(flat), 3):
            before = float(flat[place])
            flat[place] = before + step
            above = float(loss().detach())
            flat[place] = before - step
            below = float(loss().detach())
            flat[place] = before
            assert parameter.grad is not None
            assert float(parameter.grad.view(-1)[place]) == pytest.approx((above - below) / (2 * step), abs=1e-7)


@torch.no_grad()
def test_codes_are_linear_and_rebuilt_data_are_in_their_range() -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 1, 4, 4)
    network = DeepAutoencoder(DeepAutoencoderConfig(shape=(1, 4, 4), layers=(6,), code=3))
    assert network(images).shape == (2, 3)
    assert network.reconstruct(images).shape == images.shape
    assert (
        0 <= float(network.decode(100 * torch.randn(9, 3)).min()) <= float(network.decode(torch.zeros(1, 3)).max()) <= 1
    )
    shares = DeepAutoencoder(DeepAutoencoderConfig(shape=(7,), layers=(6,), code=3, output="softmax"))
    torch.testing.assert_close(shares.reconstruct(torch.rand(4, 7)).sum(1), torch.ones(4))
    codes = network(images)
    network.encoder[1].weight.mul_(9)  # type: ignore[union-attr, operator]
    network.encoder[1].bias.mul_(9)  # type: ignore[union-attr, operator]
    torch.testing.assert_close(network(images), 9 * codes)  # not squashed by a logistic unit


@torch.no_grad()
def test_rectified_units_begin_with_signals_of_one_strength_and_are_never_negative() -> None:
    torch.manual_seed(0)
    network = DeepAutoencoder(DeepAutoencoderConfig(shape=(400,), layers=(300, 200, 100), code=20, hidden="rectified"))
    inputs = torch.randn(50, 400)
    for depth in (1, 2, 3):
        hidden = network.encode_from(inputs, 0, depth)
        assert float(hidden.min()) == 0
        assert float(hidden.square().mean()) == pytest.approx(1.0, rel=0.25)  # He et al. 2015, eq. 9
    assert float(network(inputs).min()) < 0  # the code is linear


def test_documents_count_by_their_shares_alone() -> None:
    torch.manual_seed(0)
    network = DeepAutoencoder(DeepAutoencoderConfig(shape=(6,), layers=(5, 4), code=2, output="softmax"))
    counts = torch.tensor([[3.0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0]])
    torch.testing.assert_close(network(counts), network(7 * counts))
    assert bool(network(counts).isfinite().all())
    # What the layers above the first one give is taken as it is.
    hidden = network.encode_from(counts, 0, 1)
    torch.testing.assert_close(network.encode_from(hidden, 1, 3), network(counts))
    torch.testing.assert_close(network.encode_from(counts, 0, 0), counts)


def test_a_width_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"layers\[1\] is 0"):
        DeepAutoencoderConfig(layers=(3, 0))
