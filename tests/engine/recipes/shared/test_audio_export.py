"""What an exported audio network takes: waveforms, whose spectrograms are inside it."""

import torch

from capas.engine.recipes.shared.audio_export import log_mel_layer, random_waveforms, waveform_input
from capas.engine.recipes.shared.spectrograms import AudioPreparation, spectrograms_of

PREPARATION = AudioPreparation(rate=8000, seconds=1.0, num_mels=8, mean=-6.0, std=3.0)


def test_the_layer_inside_computes_the_spectrograms_of_training() -> None:
    waves = random_waveforms(PREPARATION, 2)
    found = log_mel_layer(PREPARATION)(waves)
    torch.testing.assert_close(found, spectrograms_of(list(waves.numpy()), PREPARATION).values, atol=1e-3, rtol=1e-3)


def test_noise_lasts_half_a_second_and_at_least_a_window() -> None:
    assert random_waveforms(PREPARATION, 3).shape == (3, 4000)
    assert torch.equal(random_waveforms(PREPARATION, 3), random_waveforms(PREPARATION, 3))
    assert random_waveforms(PREPARATION, 3).abs().max() < 1
    slow = AudioPreparation(rate=1000, seconds=1.0, num_mels=8)
    assert random_waveforms(slow, 1).shape[1] == 500 >= slow.mel.window


def test_the_batch_is_free_or_fixed() -> None:
    free, fixed = waveform_input(PREPARATION, "batch"), waveform_input(PREPARATION, 1)
    assert free.name == fixed.name == "sounds"
    assert (free.axes, fixed.axes) == (("batch", "samples"), (1, "samples"))
    # Tracing takes a batch of one for one of fixed size.
    assert len(free.example) == 2 and len(fixed.example) == 1
    assert "8000 samples a second" in free.values
