"""Spectrograms of a batch are those of each sound alone; their statistics are those of the training split."""

from pathlib import Path

import numpy as np
import pytest
import torch

from capas.data.audio.mel import log_mel
from capas.engine.config import Config
from capas.engine.recipes.shared.spectrograms import (
    AudioPreparation,
    audio_augmentation,
    fit_spectrogram_statistics,
    spectrograms_of,
)
from tests.engine.recipes.made_work import noise, write_wave

PLAIN = AudioPreparation(rate=8000, seconds=1.0, num_mels=8)


@pytest.mark.parametrize(("rate", "window", "hop"), [(8000, 256, 80), (16_000, 512, 160), (1000, 32, 10)])
def test_a_window_of_32_ms_every_10_ms(rate: int, window: int, hop: int) -> None:
    mel = AudioPreparation(rate=rate, seconds=1.0, num_mels=4).mel
    assert (mel.sample_rate, mel.window, mel.hop, mel.n_mels) == (rate, window, hop, 4)


@pytest.mark.parametrize("rate", [11_025, 22_050, 44_100, 48_000])
def test_a_window_of_any_rate_is_a_power_of_two_that_holds_32_ms(rate: int) -> None:
    window = AudioPreparation(rate=rate, seconds=1.0, num_mels=4).mel.window
    assert window.bit_count() == 1 and 0.032 * rate <= window < 2 * 0.032 * rate


def test_of_a_long_sound_the_middle_is_read(tmp_path: Path) -> None:
    ramp = np.linspace(-0.5, 0.5, 1000, dtype=np.float32)
    path = write_wave(tmp_path / "a.wav", ramp)
    middle = AudioPreparation(rate=8000, seconds=0.05, num_mels=8).read(path)
    np.testing.assert_allclose(middle, ramp[300:700], atol=1e-4)
    np.testing.assert_allclose(PLAIN.read(path), ramp, atol=1e-4)


def test_company_changes_no_spectrogram() -> None:
    waves = [noise(800), noise(1999, 1), noise(79, 2)]
    together = spectrograms_of(waves, PLAIN)
    assert together.lengths.tolist() == [1 + 800 // 80, 1 + 1999 // 80, 1]
    assert together.values.shape == (3, 8, 25)
    for row, wave, frames in zip(together.values, waves, together.lengths.tolist(), strict=True):
        torch.testing.assert_close(row[:, :frames], spectrograms_of([wave], PLAIN).values[0])


def test_values_are_standardised() -> None:
    scaled = AudioPreparation(rate=8000, seconds=1.0, num_mels=8, mean=-5.0, std=2.0)
    wave = noise(400)
    expected = (log_mel(torch.from_numpy(wave)[None], PLAIN.mel) + 5) / 2
    torch.testing.assert_close(spectrograms_of([wave], scaled).values, expected)


def test_a_sound_is_varied_only_where_chance_is_given() -> None:
    augmentation = audio_augmentation(Config())
    waves = [noise(1600), noise(800, 1)]
    plain = spectrograms_of(waves, PLAIN).values
    torch.testing.assert_close(spectrograms_of(waves, PLAIN, augmentation).values, plain)
    one, same, other = (
        spectrograms_of(waves, PLAIN, augmentation, torch.Generator().manual_seed(seed)).values for seed in (1, 1, 2)
    )
    assert torch.equal(one, same) and not torch.equal(one, other) and one.shape == plain.shape
    assert np.array_equal(waves[0], noise(1600))


def test_a_ratio_of_zero_means_no_noise() -> None:
    config = Config().merged({"audio.noise_snr_db": 0.0, "audio.shift": 0.2, "audio.gain_db": 3.0,
                              "audio.time_mask": 0.3, "audio.frequency_mask": 0.4})  # fmt: skip
    found = audio_augmentation(config)
    assert found.lowest_snr_db is None and audio_augmentation(Config()).lowest_snr_db == 15.0
    assert (found.shift, found.gain_db, found.time_mask, found.frequency_mask) == (0.2, 3.0, 0.3, 0.4)


def test_statistics_are_those_of_all_values_of_all_sounds() -> None:
    waves = [noise(800), 10 * noise(4000, 1)]
    values = np.concatenate([log_mel(torch.from_numpy(wave)[None], PLAIN.mel).numpy().ravel() for wave in waves])
    fitted = fit_spectrogram_statistics(waves, PLAIN)
    assert (fitted.rate, fitted.seconds, fitted.num_mels) == (8000, 1.0, 8)
    assert fitted.mean == pytest.approx(values.mean(), abs=1e-4)
    assert fitted.std == pytest.approx(values.std(ddof=1), rel=1e-4)
    again = torch.cat([spectrograms_of([wave], fitted).values.flatten() for wave in waves])
    assert float(again.mean()) == pytest.approx(0, abs=1e-4) and float(again.std()) == pytest.approx(1, abs=1e-4)


def test_silence_divides_by_no_zero() -> None:
    fitted = fit_spectrogram_statistics([np.zeros(800, np.float32)], PLAIN)
    assert fitted.std == 0.001 and fitted.mean == pytest.approx(np.log(1e-10), abs=1e-4)


def test_a_thousand_sounds_are_told_from_every_second() -> None:
    loud, silent = noise(80), np.zeros(80, np.float32)
    fitted = fit_spectrogram_statistics([silent, loud] * 500, PLAIN)
    assert fitted.mean == pytest.approx(np.log(1e-10), abs=1e-4)
