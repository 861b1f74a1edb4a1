"""Losses of autoencoders, what corrupts their inputs, and the layer-wise start."""

from types import SimpleNamespace
from typing import cast

import pytest
import torch

from capas.networks.representation.deep_autoencoder import DeepAutoencoder, DeepAutoencoderConfig
from capas.objectives.autoencoding import START, Autoencoding, Corruption, reconstruction_loss
from capas.objectives.base import StepContext
from capas.objectives.self_supervised.batches import UnlabelledBatch


def context(progress: float = 1.0) -> StepContext:
    return StepContext(step=0, progress=progress, rng=torch.Generator().manual_seed(0))


def small() -> DeepAutoencoder:
    torch.manual_seed(0)
    return DeepAutoencoder(DeepAutoencoderConfig(shape=(1, 3, 3), layers=(6, 4), code=2))


def batch(count: int = 8) -> UnlabelledBatch:
    images = torch.rand(count, 1, 3, 3, generator=torch.Generator().manual_seed(1))
    return cast(UnlabelledBatch, SimpleNamespace(inputs=images))


def test_losses_by_hand() -> None:
    logits, clean = torch.tensor([[0.0, 2.0]]), torch.tensor([[0.25, 0.75]])
    p = torch.sigmoid(logits)
    by_hand = {
        "cross_entropy": -(clean * p.log() + (1 - clean) * (1 - p).log()).sum(1),
        "squared_error": (p - clean).square().sum(1),
        "multinomial": -(clean * (logits.exp() / logits.exp().sum()).log()).sum(1),
    }
    for kind, expected in by_hand.items():
        torch.testing.assert_close(reconstruction_loss(logits, clean, kind), expected)  # type: ignore[arg-type]


def test_a_share_is_masked_and_the_loss_compares_with_the_clean_input() -> None:
    ones = torch.ones(200, 50)
    masked = Corruption(masked=0.25).apply(ones, context())
    assert set(masked.unique().tolist()) == {0.0, 1.0}
    assert float((masked == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    noisy = Corruption(noise=0.1).apply(ones, context())
    assert float(noisy.std()) == pytest.approx(0.1, abs=0.01)
    network = small()
    with torch.no_grad():  # a network that ignores its input: what it was given must make no difference
        for layer in network.encoder:
            layer.weight.zero_()  # type: ignore[union-attr, operator]
    plain, denoising = (Autoencoding(network, corruption=c) for c in (Corruption(), Corruption(masked=0.5, noise=1.0)))
    losses = [float(one.losses(batch(), one.phases[0], context())["loss"].detach()) for one in (plain, denoising)]
    assert losses[0] == pytest.approx(losses[1])


def test_layers_are_learnt_one_after_the_other_and_then_together() -> None:
    network = small()
    objective = Autoencoding(network, layer_wise=True)
    moments = [objective.layer_at(share * START) for share in (0.0, 0.4, 0.7, 0.999, 1.0)]
    assert moments == [0, 1, 2, 2, None]
    assert Autoencoding(network).layer_at(0.0) is None
    for progress, expected in ((0.0, {0}), (0.4 * START, {1}), (0.7 * START, {2}), (1.0, {0, 1, 2})):
        network.zero_grad(set_to_none=True)
        objective.losses(batch(), objective.phases[0], context(progress))["loss"].backward()  # type: ignore[no-untyped-call]
        learnt = {number for number in range(3) if network.encoder[number].weight.grad is not None}  # type: ignore[union-attr]
        assert learnt == expected


def test_hidden_layers_of_rectified_units_are_compared_before_rectification() -> None:
    torch.manual_seed(0)
    config = DeepAutoencoderConfig(shape=(1, 3, 3), layers=(6, 4), code=2, hidden="rectified")
    network = DeepAutoencoder(config)
    objective = Autoencoding(network, layer_wise=True, corruption=Corruption())
    with torch.no_grad():  # the second layer rebuilds a constant, whatever it is given
        network.decoder[1].weight.zero_()  # type: ignore[union-attr, operator]
        network.decoder[1].bias.fill_(-0.5)  # type: ignore[union-attr, operator]
        hidden = network.encode_from(batch().inputs.flatten(1), 0, 1)
    loss = objective.losses(batch(), objective.phases[0], context(0.4 * START))["loss"]
    assert float(loss.detach()) == pytest.approx(float((hidden + 0.5).square().sum(1).mean()), rel=1e-5)


def test_it_learns_to_rebuild() -> None:
    network = small()
    objective = Autoencoding(network, loss="squared_error")
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    found = []
    for _ in range(150):
        loss = objective.losses(batch(), objective.phases[0], context())["loss"]
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        found.append(float(loss.detach()))
    assert found[-1] < 0.6 * found[0]
