"""Readers of lines and sounds: small, indifferent to padding, and a frame for every four columns or two steps."""

import pytest
import torch

from capas.networks.document.crnn import AudioCRNN, CRNNConfig, LineCRNN


def settled(network: torch.nn.Module) -> torch.nn.Module:
    for layer in network.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(layer.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(layer.running_var, 0.5, 2)
    return network.eval()


def test_both_are_small() -> None:
    with torch.device("meta"):
        for network in (
            LineCRNN(CRNNConfig(size=48, num_labels=100)),
            AudioCRNN(CRNNConfig(size=64, num_labels=100)),
        ):
            assert sum(p.numel() for p in network.parameters()) < 1_000_000


@pytest.mark.parametrize("kind", ["line", "sound"])
def test_padding_changes_nothing(kind: str) -> None:
    lengths = torch.tensor([37, 1, 64])
    config = CRNNConfig(size=32, num_labels=7, width=4, hidden=5)
    network = settled(LineCRNN(config) if kind == "line" else AudioCRNN(config))
    shape = (3, 1, 32, 64) if kind == "line" else (3, 32, 64)
    values = torch.randn(shape)  # what is behind the ends is no zero: it must be ignored
    with torch.no_grad():
        logits, frames = network(values, lengths)
        for row, length in enumerate(lengths.tolist()):
            alone, count = network(values[row : row + 1, ..., :length], torch.tensor([length]))
            assert count.item() == frames[row] == alone.shape[1] == -(-length // (4 if kind == "line" else 2))
            torch.testing.assert_close(logits[row, : alone.shape[1]], alone[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["line", "sound"])
def test_gradient_reaches_every_parameter(kind: str) -> None:
    config = CRNNConfig(size=16, num_labels=4, width=3, hidden=4, dropout=0)
    network = LineCRNN(config) if kind == "line" else AudioCRNN(config)
    logits, _ = network(torch.randn((2, 1, 16, 24) if kind == "line" else (2, 16, 24)), torch.tensor([24, 20]))
    logits.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        LineCRNN(CRNNConfig(size=50, num_labels=3))
    with pytest.raises(ValueError, match="num_labels"):
        CRNNConfig(size=48, num_labels=1)
