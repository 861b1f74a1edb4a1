"""Log-mel spectrograms are librosa's, and a wave's are the same alone and in a batch."""

import math

import pytest
import torch
from safetensors.torch import load_file

from capas.data.audio.mel import (
    MelConfig,
    frame_counts,
    hz_to_mel,
    log_mel,
    mel_filter_bank,
    mel_spectrogram,
    mel_to_hz,
)
from tests.harness import FIXTURES

RECORDED = load_file(FIXTURES / "measures" / "mel.safetensors")
LOW = MelConfig(sample_rate=8000, window=256, hop=80, n_mels=40)
HIGH = MelConfig(sample_rate=16000, window=512, hop=160, n_mels=64)


@pytest.mark.parametrize(("name", "config"), [("low", LOW), ("high", HIGH)])
def test_spectrogram_is_librosas(name: str, config: MelConfig) -> None:
    found = mel_spectrogram(RECORDED["wave"][None], config)[0]
    assert found.shape == RECORDED[name].shape
    torch.testing.assert_close(found, RECORDED[name], rtol=1e-4, atol=1e-7)
    # Float32 rounds relative to the loudest band, and every processor rounds in its own way: 60 dB down that alone is
    # hundredths of a decibel. Below 40 dB under the loudest, both sides stand at that floor.
    decibels = log_mel(RECORDED["wave"][None], config)[0] * 10 / math.log(10)
    recorded = RECORDED[f"{name}_db"]
    floor = float(recorded.max()) - 40
    torch.testing.assert_close(decibels.clamp(min=floor), recorded.clamp(min=floor), rtol=0, atol=0.01)


def test_a_shorter_wave_padded_with_zeros_has_the_frames_it_has_alone() -> None:
    waves = torch.randn(3, 1000)
    lengths = torch.tensor([1000, 640, 81])
    for row, length in enumerate(lengths.tolist()):
        waves[row, length:] = 0
    counts = frame_counts(lengths, LOW)
    together = mel_spectrogram(waves, LOW)
    for row, (length, count) in enumerate(zip(lengths.tolist(), counts.tolist(), strict=True)):
        alone = mel_spectrogram(waves[row : row + 1, :length], LOW)
        assert alone.shape[2] == count
        torch.testing.assert_close(together[row, :, :count], alone[0])


@pytest.mark.parametrize("samples", [1, 79, 80, 200])
@pytest.mark.parametrize("window", [64, 255])
def test_even_the_shortest_wave_has_its_frames(samples: int, window: int) -> None:
    config = MelConfig(sample_rate=8000, window=window, hop=80, n_mels=8)
    found = log_mel(torch.randn(2, samples), config)
    assert found.shape == (2, 8, 1 + samples // 80)
    assert found.isfinite().all()


def test_silence_is_the_floor_and_not_minus_infinity() -> None:
    assert torch.allclose(log_mel(torch.zeros(1, 400), LOW), torch.tensor(-10 * math.log(10)))


def test_a_tone_is_loudest_in_its_band() -> None:
    time = torch.arange(4000) / 8000
    spectrum = mel_spectrogram(torch.sin(2 * math.pi * 1000 * time)[None], LOW)[0, :, 25]
    centres = mel_to_hz(torch.linspace(0, float(hz_to_mel(torch.tensor(4000.0))), 42))[1:-1]
    assert abs(float(centres[spectrum.argmax()]) - 1000) < 60


def test_the_scale_inverts_and_has_its_fixed_points() -> None:
    hz = torch.linspace(0, 8000, 101, dtype=torch.float64)
    torch.testing.assert_close(mel_to_hz(hz_to_mel(hz)), hz)
    assert hz_to_mel(torch.tensor([1000.0, 6400.0])).tolist() == pytest.approx([15.0, 42.0], abs=1e-4)


def test_filters_have_unit_area() -> None:
    config = MelConfig(sample_rate=8000, window=4096, hop=80, n_mels=10)
    assert torch.allclose(mel_filter_bank(config).sum(1) * 8000 / 4096, torch.ones(10, dtype=torch.float64), atol=0.01)


def test_impossible_settings_are_refused() -> None:
    for wrong in ({"hop": 0}, {"n_mels": 0}, {"high_hz": 5000.0}, {"low_hz": 4000.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            MelConfig(**{"sample_rate": 8000, "window": 256, "hop": 80, "n_mels": 40, **wrong})
