"""A job on recordings with bursts of noise: windows keep their labels, and a network that hears loudness is right."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from capas.data.audio.segments import Segment, SegmentCollection
from capas.engine.distributed import Ranks
from capas.engine.recipes.audio_frames.data import audio_preparation, frame_targets, read_recordings
from capas.engine.recipes.audio_frames.learn import AudioFramesJob
from capas.engine.recipes.shared.spectrograms import Spectrograms
from tests.engine.recipes.made_work import FLOAT32, noise, parameters_of, sounds_of, spec_of, work_of

SPEC = spec_of("label", "audio", classes=("none", "burst"), target="segments")
SPLITS = ("train", "train", "validation", "test")
SETTINGS: Mapping[str, object] = {
    "network.width": 4, "train.batch_size": 2, "audio.n_mels": 8, "audio.sample_rate": 8000, "audio.seconds": 0.5,
    "audio.gain_db": 0.0, "audio.noise_snr_db": 0.0, "audio.frequency_mask": 0.0,
}  # fmt: skip
STARTS = (0.2, 0.5, 0.3, 0.6)


def recording(start_s: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """1.2 s of near silence, with 0.4 s of noise from ``start_s`` on."""
    wave = 1e-4 * noise(9600, 7)
    wave[round(8000 * start_s) : round(8000 * (start_s + 0.4))] += noise(3200, 8)
    return wave.astype(np.float32)


def made(folder: Path, **changes: object) -> AudioFramesJob:
    settings = {**SETTINGS, **{key.replace("__", "."): value for key, value in changes.items()}}
    sounds = sounds_of(folder, [recording(start) for start in (0.0, *STARTS)])
    segments = SegmentCollection(
        [[Segment(start_s=start, end_s=start + 0.4, label="burst")] for start in (0.0, *STARTS)],
        [f"{i}.wav" for i in range(5)],
    )  # fmt: skip
    return AudioFramesJob(work_of(sounds, SPEC, SPLITS, settings, targets=segments, indices=[1, 2, 3, 4]), Ranks())


class Hears(nn.Module):
    """Logits 0 and how far a frame is above the mean loudness; or the reverse."""

    def __init__(self, sign: float = 1.0) -> None:
        super().__init__()
        self.sign = sign

    def forward(self, sounds: Spectrograms) -> Tensor:
        level = self.sign * 5 * sounds.values.mean(1)
        return torch.stack([torch.zeros_like(level), level], dim=2)


def test_recordings_and_their_frames(tmp_path: Path) -> None:
    job = made(tmp_path)
    assert [len(wave) for wave in job.waves] == [9600] * 4
    for target, start in zip(job.targets, STARTS, strict=True):
        inside = torch.arange(121) / 100 - start
        # But for the frames at both ends.
        assert bool((target[(inside > 0.006) & (inside < 0.394)] == 1).all())
        assert bool((target[(inside < -0.006) | (inside > 0.406)] == 0).all())


def test_windows_have_their_own_labels_and_names(tmp_path: Path) -> None:
    job = made(tmp_path)
    # 121 frames in windows of 50 or fewer: 41, 41 and 39.
    assert [(w.recording, w.first, w.count) for w in job.windows[:3]] == [(0, 0, 41), (0, 41, 41), (0, 82, 39)]
    assert job.batches.examples == 6
    assert all(name.split("@")[0] in ("1.wav", "2.wav") for step in range(3) for name in job.batches.names(step))
    agree, count = 0.0, 0
    for step in range(6):
        batch = job.batches.batch(step)
        for values, length, row in zip(batch.inputs.values, batch.inputs.lengths.tolist(), batch.targets, strict=True):
            own = row[:length]
            assert bool((row[length:] < 0).all()) and set(own.tolist()) <= {0, 1}
            agree += float(((values[:, :length].mean(0) > 0) == (own == 1)).float().sum())
            count += length
    assert agree / count > 0.93  # an analysis window hears 16 ms beyond each end


def test_figures_are_those_of_the_network(tmp_path: Path) -> None:
    job = made(tmp_path)
    job._network = Hears()
    score = job.validate(FLOAT32)
    assert (score.metric, score.n) == ("frame_accuracy", 1) and score.value > 0.95 and job.has_validation
    job.calibrate(FLOAT32)
    found = job.test(FLOAT32)
    event_f1, common = found.metrics["event_f1"], found.baseline["most_frequent_class"]["frame_error"]
    assert found.n == 1 and isinstance(event_f1, Mapping) and event_f1["value"] == 1.0
    # 40 of 121 frames are of the burst.
    assert isinstance(common, Mapping) and common["value"] == pytest.approx(40 / 121, abs=0.02)
    job._network = Hears(-1.0)
    assert job.validate(FLOAT32).value < 0.05


def test_the_least_duration_removes_what_flickers(tmp_path: Path) -> None:
    job = made(tmp_path)

    class Flickers(Hears):
        def forward(self, sounds: Spectrograms) -> Tensor:
            logits = super().forward(sounds)
            logits[:, 5:7, 1] = 9.0
            return logits

    job._network = Flickers()
    job.calibrate(FLOAT32)
    assert job.min_duration == 3  # the least of those that leave two frames out


def test_classes_weigh_more_the_rarer_they_are_only_where_asked(tmp_path: Path) -> None:
    assert made(tmp_path, objective__class_weights="none").objective.class_weights is None
    weights = made(tmp_path, objective__class_weights="balanced").objective.class_weights
    assert weights is not None
    counts = torch.bincount(torch.cat(made(tmp_path).targets[:2])).float()
    torch.testing.assert_close(weights, counts.sum() / (2 * counts))


def test_files_and_card(tmp_path: Path) -> None:
    job = made(tmp_path)
    files, card = job.bundle_files(), job.network_card()
    assert files["answers.json"] == {"kind": "segments", "classes": ["none", "burst"], "shortest_frames": 10}
    preparation = files["preparation.json"]
    assert isinstance(preparation, dict) and preparation["mean"] == job.preparation.mean != 0.0
    assert card.settings == {"width": 4, "hidden": 96, "num_classes": 2}
    assert card.parameters == parameters_of(job.objective.network)


def test_settings_of_spectrograms_and_labels_without_segments(tmp_path: Path) -> None:
    job = made(tmp_path)
    plain = audio_preparation(job.config)
    assert (plain.rate, plain.seconds, plain.num_mels, plain.mean, plain.std) == (8000, 0.5, 8, 0.0, 1.0)
    nothing = SegmentCollection([[]], ["a"])
    assert frame_targets(nothing, 0, torch.zeros(800), SPEC.classes, plain).tolist() == [0] * 11
    late = SegmentCollection([[Segment(start_s=0.05, end_s=0.11, label="burst")]], ["a"])
    found = frame_targets(late, 0, torch.zeros(800), SPEC.classes, plain)
    assert found[:5].tolist() == [0] * 5 and found[6:10].tolist() == [1] * 4


def test_recordings_are_read_in_the_order_of_the_run(tmp_path: Path) -> None:
    sounds, steps = sounds_of(tmp_path, [noise(80 * n, n) for n in (1, 2, 3)]), list[int]()
    work = work_of(sounds, SPEC, ["train", "test"], SETTINGS, indices=[2, 0],
                   progress=lambda done, total: steps.append(done))  # fmt: skip
    waves = read_recordings(work, audio_preparation(work.config))
    assert [len(wave) for wave in waves] == [240, 80] and steps == [1, 2]
