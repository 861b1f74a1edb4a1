"""A waveform in 0..1 means to the model what the waveform itself means, and gradients reach it."""

import numpy as np
import torch

from capas.trust.subjects.audio_inputs import UnitRangeAudioModel, waveforms_to_unit_range
from tests.trust.made_models import sounds_reader, tone


def test_the_range_holds_silence_in_the_middle_and_pads_with_it() -> None:
    waves = [np.array([-1.0, 0.0, 1.0], np.float32), np.array([0.5, -3.0], np.float32)]
    assert waveforms_to_unit_range(waves).tolist() == [[0.0, 0.5, 1.0], [0.75, 0.0, 0.5]]


def test_answers_are_those_of_the_reader() -> None:
    reader, waves = sounds_reader(), [tone(400, 0.2), tone(3000, 0.2)]
    found = UnitRangeAudioModel(reader)(waveforms_to_unit_range(waves))
    expected = reader.network(reader.collate(waves))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert found.argmax(1).tolist() == [0, 1]
    alone = UnitRangeAudioModel(reader)(waveforms_to_unit_range(waves[1:]))
    torch.testing.assert_close(alone, found[1:])


def test_gradients_reach_the_samples_and_no_weight() -> None:
    model = UnitRangeAudioModel(sounds_reader())
    waves = waveforms_to_unit_range([tone(400, 0.1)]).requires_grad_()
    model(waves)[0, 0].backward()
    assert waves.grad is not None and waves.grad.abs().max() > 0
    assert not any(parameter.requires_grad for parameter in model.parameters())
