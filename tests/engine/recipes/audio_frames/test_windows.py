"""Windows cover every frame once, and have the frames that they have in the whole."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from capas.engine.recipes.audio_frames import windows as module
from capas.engine.recipes.audio_frames.windows import (
    FrameWindow,
    frame_count,
    frame_levels_db,
    frame_probabilities,
    hop_seconds,
    split_into_windows,
    window_samples,
)
from capas.engine.recipes.shared.spectrograms import AudioPreparation, Spectrograms
from tests.engine.recipes.made_work import FLOAT32, noise

PREPARATION = AudioPreparation(rate=8000, seconds=1.0, num_mels=8)


class Loudness(nn.Module):
    """Logits 0 and the mean of the bands of every frame; counts the frames that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = list[tuple[int, ...]]()

    def forward(self, sounds: Spectrograms) -> Tensor:
        self.seen.append(tuple(sounds.lengths.tolist()))
        mean = sounds.values.mean(1)
        return torch.stack([torch.zeros_like(mean), mean + 8], dim=2)


def test_windows_are_the_fewest_and_of_similar_length() -> None:
    assert split_into_windows([5, 10, 11], 10) == [
        FrameWindow(recording=0, first=0, count=5), FrameWindow(recording=1, first=0, count=10),
        FrameWindow(recording=2, first=0, count=6), FrameWindow(recording=2, first=6, count=5),
    ]  # fmt: skip
    assert split_into_windows([], 10) == []


def test_frames_are_counted_from_the_first_sample() -> None:
    # Hop 80: frames at the samples 0, 80, 160 …
    counts = [frame_count(torch.zeros(n), PREPARATION) for n in (0, 79, 80, 81, 800)]
    assert counts == [1, 1, 2, 2, 11] and hop_seconds(PREPARATION) == 0.01
    assert hop_seconds(AudioPreparation(rate=11_025, seconds=1.0, num_mels=8)) == 110 / 11_025


def test_samples_of_a_window_have_just_its_frames() -> None:
    wave = torch.arange(1000.0)
    assert window_samples(wave, 2, 3, 80).tolist() == list(range(160, 320))
    assert window_samples(wave, 2, 1, 80).tolist() == [160.0]
    for first, count in ((0, 1), (0, 5), (4, 2), (12, 1)):
        assert frame_count(window_samples(wave, first, count, 80), PREPARATION) == count


def test_probabilities_of_all_sounds_in_order_whatever_the_company() -> None:
    waves = [torch.from_numpy(noise(n, n)) for n in (1600, 80, 800)]
    together = frame_probabilities(Loudness(), waves, PREPARATION, FLOAT32)
    assert [one.shape for one in together] == [(21, 2), (2, 2), (11, 2)]
    for wave, found in zip(waves, together, strict=True):
        (alone,) = frame_probabilities(Loudness(), [wave], PREPARATION, FLOAT32)
        torch.testing.assert_close(found, alone)
        torch.testing.assert_close(found.sum(1), torch.ones(len(found)))


def test_long_sounds_are_answered_in_windows_with_context(monkeypatch: pytest.MonkeyPatch) -> None:
    wave = torch.from_numpy(noise(80 * 99, 1))  # 100 frames
    (whole,) = frame_probabilities(Loudness(), [wave], PREPARATION, FLOAT32)
    monkeypatch.setattr(module, "WINDOW", 50)
    monkeypatch.setattr(module, "CONTEXT", 5)
    network = Loudness()
    (found,) = frame_probabilities(network, [wave], PREPARATION, FLOAT32)
    # Three cores of 34, 34 and 32 frames, with 5 on either side where there are any.
    assert sorted(length for part in network.seen for length in part) == [37, 39, 44]
    torch.testing.assert_close(found, whole, atol=1e-4, rtol=1e-4)


def test_levels_are_decibels_of_the_energy() -> None:
    wave = torch.from_numpy(noise(800))
    quiet, loud = (frame_levels_db(factor * wave, PREPARATION) for factor in (1.0, 10.0))
    assert quiet.shape == (11,)
    np.testing.assert_allclose(loud - quiet, 20.0, atol=1e-3)
    scaled = AudioPreparation(rate=8000, seconds=1.0, num_mels=8, mean=-4.0, std=3.0)
    torch.testing.assert_close(frame_levels_db(wave, scaled), quiet, atol=1e-3, rtol=0)
    # Silence has 8 bands of 10⁻¹⁰ each.
    silent = frame_levels_db(torch.zeros(80), PREPARATION)
    assert silent[0].item() == pytest.approx(10 * math.log10(8e-10), abs=1e-3)
