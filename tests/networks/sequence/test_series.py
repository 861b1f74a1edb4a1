"""Networks over time: sizes of the paper, padding that does not matter, chance order that does."""

import pytest
import torch

from capas.networks.sequence.series import SeriesCNN, SeriesConfig, SeriesGRU, SeriesLogistic, SeriesMLP
from capas.networks.sequence.spectrogram_cnn import SpectrogramCNN, SpectrogramCNNConfig, masked_mean_max

SERIES = (SeriesLogistic, SeriesMLP, SeriesCNN, SeriesGRU)


@pytest.mark.parametrize(("kind", "count"), list(zip(SERIES, (410, 15_210, 5_210, 5_134), strict=True)))
def test_sizes_are_those_of_the_authors(kind: type[torch.nn.Module], count: int) -> None:
    network = kind(SeriesConfig(length=40, num_classes=10))
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize("kind", SERIES)
@pytest.mark.parametrize("length", [3, 4, 5, 6, 17, 41])
def test_every_length_runs_and_batch_equals_single(kind: type[torch.nn.Module], length: int) -> None:
    network = kind(SeriesConfig(length=length, num_classes=4, in_channels=2, width=5))
    series = torch.randn(3, 2, length)
    logits = network(series)
    assert logits.shape == (3, 4)
    torch.testing.assert_close(logits, torch.cat([network(one[None]) for one in series]))
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def spectrogram_cnn(width: int = 8) -> SpectrogramCNN:
    network = SpectrogramCNN(SpectrogramCNNConfig(num_mels=6, num_classes=5, width=width, stages=3))
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            torch.nn.init.uniform_(layer.running_mean, -0.3, 0.3)
            torch.nn.init.uniform_(layer.bias, -0.5, 0.5)
    return network


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 13, 20])
def test_what_a_sound_is_padded_with_does_not_matter(length: int) -> None:
    network = spectrogram_cnn().eval().double()
    sound = torch.randn(1, 6, length, dtype=torch.float64)
    expected = network(sound)
    for filling in (0.0, 7.0, float("-inf"), float("nan")):
        long = torch.full((2, 6, 21), filling, dtype=torch.float64)
        long[0, :, :length] = sound[0]
        long[1] = 1.0
        torch.testing.assert_close(network(long, torch.tensor([length, 21]))[:1], expected)


def test_every_frame_inside_matters() -> None:
    network = spectrogram_cnn().eval()
    sounds = torch.randn(1, 6, 15, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(sounds, torch.tensor([11])).square().sum(), sounds)
    touched = gradient.abs().sum(dim=(0, 1)) > 0
    assert touched[:11].all() and not touched[11:].any()


def test_gradient_reaches_every_parameter() -> None:
    network = spectrogram_cnn().train()
    network(torch.randn(4, 6, 30), torch.tensor([30, 12, 7, 22])).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_pooling_takes_mean_and_maximum_of_what_is_inside() -> None:
    x = torch.tensor([[[-1.0, -3.0, 9.0]]])
    mask = torch.tensor([[[1.0, 1.0, 0.0]]])
    assert masked_mean_max(x, mask).tolist() == [[-2.0, -1.0]]


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="length"):
        SeriesCNN(SeriesConfig(length=2, num_classes=3))
    with pytest.raises(ValueError, match="width"):
        SeriesConfig(length=5, num_classes=3, width=0)
    with pytest.raises(ValueError, match="dropout"):
        SpectrogramCNNConfig(num_mels=3, num_classes=2, dropout=1.0)
    with pytest.raises(ValueError, match="stages"):
        SpectrogramCNNConfig(num_mels=3, num_classes=2, stages=0)
