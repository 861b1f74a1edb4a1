"""Speech: whole sounds, in spectrograms that are made in batches."""

from pathlib import Path

import numpy as np
import pytest
import torch

from capas.core.errors import CapasError
from capas.engine.config import Config
from capas.engine.recipe import Item
from capas.engine.recipes.shared.spectrograms import AudioPreparation, spectrograms_of
from capas.engine.recipes.transcription.input_protocol import SequenceInputs
from capas.engine.recipes.transcription.speech import SpeechInputs
from tests.engine.recipes.made_work import (
    image_statistics_of,
    noise,
    report_of,
    sound_statistics_of,
    sounds_of,
    spec_of,
    texts_of,
    work_of,
)

PREPARATION = AudioPreparation(rate=8000, seconds=0.05, num_mels=8)
INPUTS = SpeechInputs(preparation=PREPARATION, hidden=5)
SPEC = spec_of("transcribe", "audio", target="transcript")


def test_no_sound_is_cut(tmp_path: Path) -> None:
    sounds = sounds_of(tmp_path, [noise(800), noise(1600, 1)])
    waves = INPUTS.read_all(work_of(sounds, SPEC, ["train", "test"], {}, indices=[1, 0]))
    assert [INPUTS.length(wave) for wave in waves] == [1600, 800]
    np.testing.assert_allclose(waves[0], noise(1600, 1), atol=1e-4)
    found = INPUTS.preprocess(Item(name="", content=tmp_path / "1.wav"))
    assert torch.equal(found, waves[0]) and isinstance(INPUTS, SequenceInputs) and INPUTS.audio == PREPARATION


@pytest.mark.parametrize(
    "content", [np.zeros(9), np.zeros(0, np.float32), np.zeros((1, 9), np.float32), [0.1]],
    ids=["double", "empty", "two axes", "list"],
)  # fmt: skip
def test_what_is_no_sound_is_refused(content: object) -> None:
    with pytest.raises(CapasError) as error:
        INPUTS.preprocess(Item(name="it", content=content))
    assert (error.value.key, error.value.where) == ("not_a_sound_array", "it")


def test_there_is_an_output_for_every_second_frame() -> None:
    # 800 samples have 11 frames, 79 have one, 160 have three.
    assert INPUTS.num_frames(torch.tensor([800, 79, 160])).tolist() == [6, 1, 2]
    network = INPUTS.network(4, 4, 5).eval()
    batch = INPUTS.collate([torch.from_numpy(noise(800)), torch.from_numpy(noise(160))])
    with torch.no_grad():
        logits, frames = network(batch.values, batch.lengths)
    assert logits.shape == (2, 6, 4) and frames.tolist() == [6, 2]


def test_training_shifts_no_sound_against_its_text() -> None:
    quiet = {"audio.gain_db": 0.0, "audio.noise_snr_db": 0.0, "audio.time_mask": 0.0, "audio.frequency_mask": 0.0,
             "audio.shift": 0.5}  # fmt: skip
    waves = [torch.from_numpy(noise(800))]
    plain = INPUTS.collate(waves)
    assert torch.equal(plain.values, spectrograms_of([noise(800)], PREPARATION).values)
    rng = torch.Generator().manual_seed(0)
    assert torch.equal(INPUTS.collate(waves, Config().merged(quiet), rng).values, plain.values)
    assert not torch.equal(INPUTS.collate(waves, Config(), rng).values, plain.values)


def test_statistics_are_fitted_to_what_is_given() -> None:
    fitted = INPUTS.fit([torch.from_numpy(noise(800))])
    values = fitted.collate([torch.from_numpy(noise(800))]).values
    assert float(values.mean()) == pytest.approx(0, abs=1e-4) and float(values.std()) == pytest.approx(1, abs=1e-4)
    assert fitted.hidden == 5 and INPUTS.preparation.mean == 0.0


@pytest.mark.parametrize(("longest_s", "seconds"), [(90.0, 60.0), (5.0, 5.0), (0.01, 0.2)])
def test_rate_and_length_follow_the_sounds(longest_s: float, seconds: float) -> None:
    sounds = sound_statistics_of(longest_s=longest_s, rates={48_000: 2, 8000: 1})
    updates = INPUTS.config_updates(Config(), report_of(texts_of(["a"]), SPEC, ["train"], statistics=sounds))
    assert updates == {"audio": {"sample_rate": 16_000, "seconds": seconds}}
    with pytest.raises(CapasError) as error:
        INPUTS.config_updates(
            Config(), report_of(texts_of(["a"]), SPEC, ["train"], statistics=image_statistics_of(1, 1))
        )
    assert error.value.key == "no_sounds_to_learn"


def test_noise_lasts_as_long_as_the_median_sound() -> None:
    report = report_of(texts_of(["a"]), SPEC, ["train"], statistics=sound_statistics_of(median_s=0.25))
    assert len(INPUTS.random_example(report, torch.Generator())) == 2000


def test_names_and_export() -> None:
    assert INPUTS.item(Path("a.wav"), 1).name == "a.wav" and INPUTS.item(noise(9), 1).name == "sound 1"
    taken, log_mel = INPUTS.export_inputs()
    assert taken.axes == (1, "samples") and log_mel is not None
    assert INPUTS.as_json()["name"] == "crnn-sound"
