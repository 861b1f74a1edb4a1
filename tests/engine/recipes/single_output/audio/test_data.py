"""Sounds of a run: decoded once, made into spectrograms batch by batch."""

from pathlib import Path

import numpy as np
import pytest
import torch

from capas.core.errors import CapasError
from capas.data.collections import AudioFiles
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.recipes.shared.spectrograms import AudioPreparation, spectrograms_of
from capas.engine.recipes.single_output.audio.data import PreparedAudioInputs, read_waveforms
from tests.engine.recipes.made_work import noise, parameters_of, sounds_of

PREPARATION = AudioPreparation(rate=8000, seconds=0.1, num_mels=8, mean=-9.0, std=2.0)
WAVES = [noise(800, 1), noise(400, 2), noise(640, 3), noise(80, 4)]
SILENT = {"audio.shift": 0.0, "audio.gain_db": 0.0, "audio.noise_snr_db": 0.0, "audio.time_mask": 0.0,
          "audio.frequency_mask": 0.0}  # fmt: skip


def prepared(settings: dict[str, float] | None = None) -> PreparedAudioInputs:
    config = Config().merged({"network.width": 4, "train.batch_size": 2, "audio.n_mels": 8, **(settings or {})})
    return PreparedAudioInputs(config, [f"s{i}" for i in range(4)], list(WAVES), PREPARATION)


def test_files_are_decoded_in_order_and_cut(tmp_path: Path) -> None:
    sounds = sounds_of(tmp_path, [noise(1600, 5), *WAVES])
    steps = list[tuple[int, int]]()
    found = read_waveforms(sounds, [4, 0, 1], PREPARATION, lambda done, total: steps.append((done, total)))
    assert [len(wave) for wave in found] == [80, 800, 800] and steps == [(1, 3), (2, 3), (3, 3)]
    np.testing.assert_allclose(found[1], noise(1600, 5)[400:1200], atol=1e-4)


def test_a_file_that_is_no_sound_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"no sound")
    with pytest.raises(CapasError) as error:
        read_waveforms(AudioFiles([tmp_path / "a.wav"], tmp_path), [0], PREPARATION, lambda done, total: None)
    assert error.value.where.endswith("a.wav")


def test_sounds_are_taken_by_position_unchanged() -> None:
    found, expected = prepared().take(torch.tensor([3, 0])), spectrograms_of([WAVES[3], WAVES[0]], PREPARATION)
    assert torch.equal(found.values, expected.values) and found.lengths.tolist() == [2, 11]


def test_training_varies_sounds_as_configured() -> None:
    targets = torch.tensor([0, 1, 0, 1])
    plain, varied = (prepared(settings).training(targets, torch.arange(4), Ranks()) for settings in (SILENT, {}))
    batch = plain.batch(0)
    assert torch.equal(batch.targets, targets[batch.positions])
    assert torch.equal(batch.inputs.values, prepared().take(batch.positions).values)
    assert not torch.equal(varied.batch(0).inputs.values, prepared().take(varied.batch(0).positions).values)


def test_features_are_mean_and_spread_of_bands_and_the_length() -> None:
    found = prepared().features(torch.tensor([1, 0]))
    values = spectrograms_of([WAVES[1]], PREPARATION).values[0].numpy()
    np.testing.assert_allclose(found[0], [*values.mean(1), *values.std(1), 0.05], rtol=1e-4, atol=1e-5)
    assert found.shape == (2, 17) and float(found[1, 16]) == pytest.approx(0.1)


def test_the_card_says_what_the_network_is_made_from() -> None:
    held = prepared()
    network = held.network(3)
    card = held.network_card(network, 3)
    assert card.name == "spectrogram-cnn" and card.settings == {"width": 4, "num_classes": 3}
    assert card.parameters == parameters_of(network) and held.head is None
    assert held.as_json() == {"rate": 8000, "seconds": 0.1, "num_mels": 8, "mean": -9.0, "std": 2.0}
