"""Frames are questioned recording by recording: a network that hears loudness, on silence and noise."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from capas.data.audio.segments import Segment, SegmentCollection
from capas.engine.recipes.audio_frames.predictor import AudioFramesPredictor
from capas.engine.recipes.shared.spectrograms import Spectrograms, spectrograms_of
from capas.trust.subjects.audio_frames import AudioFrameAdapter, AudioFrameFeatureExtractor
from tests.trust.made_models import AUDIO, Linearly, texts_of, write_sounds

NOISE = np.random.default_rng(0).normal(0, 0.3, 4000).clip(-1, 1).astype(np.float32)
WAVE = np.concatenate([np.zeros(4000, np.float32), NOISE])


class Loudness(Linearly):
    """Logits (B, T, 2) of every frame: 0, and by how much the mean log energy of its bands exceeds −15."""

    def __init__(self) -> None:
        super().__init__(torch.tensor([[0.0] * 8, [1 / 8] * 8]), torch.tensor([0.0, 15.0]))

    def features_of(self, inputs: object) -> Tensor:
        assert isinstance(inputs, Spectrograms)
        return inputs.values.transpose(1, 2)


def predictor() -> AudioFramesPredictor:
    return AudioFramesPredictor(Loudness(), AUDIO, ("none", "beep"), 1)


def adapter(folder: Path, *segments: Segment) -> AudioFrameAdapter:
    return AudioFrameAdapter(predictor(), write_sounds(folder, [WAVE]), SegmentCollection([segments], ["0.wav"]))


def test_right_segments_are_believed_and_swapped_ones_are_not(tmp_path: Path) -> None:
    rng = torch.Generator()
    right = adapter(tmp_path, Segment(start_s=0.5, end_s=1.0, label="beep")).evaluate_example(0, 7, rng)
    frames = 1 + len(WAVE) // 80
    samples = right.calibration_samples
    assert len(samples.confidence) == len(samples.correct) == frames
    # A window of 32 ms hears the noise up to 16 ms before it begins.
    assert int((~samples.correct).sum()) <= 2 and samples.confidence.min() >= 0.5
    assert [(one.location, one.given_label, one.predicted_label) for one in right.label_issues] == [
        ("0.00–0.50 s", "none", "none"), ("0.50–1.00 s", "beep", "beep"), ("1.00–1.01 s", "none", "beep"),
    ]  # fmt: skip
    assert [one.position for one in right.label_issues] == [7, 7, 7]
    wrong = adapter(tmp_path, Segment(start_s=0.0, end_s=0.5, label="beep")).evaluate_example(0, 7, rng)
    first, second = wrong.label_issues
    assert (first.given_label, first.predicted_label) == ("beep", "none") and first.given_label_probability < 0.1
    assert (second.given_label, second.predicted_label) == ("none", "beep")
    # The same network says the same of the same frames, whatever they are labelled.
    assert first.given_label_probability == pytest.approx(1 - right.label_issues[0].given_label_probability, abs=1e-5)
    assert torch.equal(wrong.calibration_samples.confidence, samples.confidence)
    assert adapter(tmp_path).label_issue_heatmap(0, first) is None


def test_features_are_the_mean_over_the_frames() -> None:
    extractor = AudioFrameFeatureExtractor(predictor())
    found = extractor.ood_features(WAVE)
    assert found.features is not None and found.views is None
    torch.testing.assert_close(found.features, spectrograms_of([WAVE], AUDIO).values[0].mean(1))


def test_a_recording_is_shown_as_its_spectrogram_and_has_its_probes() -> None:
    extractor = AudioFrameFeatureExtractor(predictor())
    shown = extractor.display_image(WAVE)
    assert shown.shape == (8, 101) and shown[:, 60:95].max() > 200 > 20 > shown[:, :40].max()
    probes = extractor.ood_probes([WAVE, WAVE[:100]], torch.Generator())
    assert set(probes) == {"noise", "silence", "backwards"}
    backwards = probes["backwards"][0]
    assert isinstance(backwards, np.ndarray) and np.array_equal(backwards, WAVE[::-1])


def test_other_collections_are_refused() -> None:
    with pytest.raises(AssertionError):
        AudioFrameAdapter(predictor(), texts_of(["a"]), None)
