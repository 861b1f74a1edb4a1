"""The recipe of labelled recordings, and the predictor of its bundles."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from capas.core.errors import CapasError
from capas.data.audio.segments import Segment, SegmentCollection
from capas.engine.config import Config
from capas.engine.recipes.audio_frames.predictor import AudioFramesPredictor
from capas.engine.recipes.audio_frames.recipe import recipe
from tests.engine.recipes.audio_frames.test_learn import SETTINGS, SPEC, Hears, made, recording
from tests.engine.recipes.made_work import bundle_of, network_card, noise, report_of, sound_statistics_of, sounds_of
from tests.harness import step_context


class Weighed(Hears):
    """With a weight, as the networks that are asked for their device."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Parameter(torch.ones(()))


def hearing(folder: Path) -> AudioFramesPredictor:
    return AudioFramesPredictor(Weighed(), made(folder).preparation, SPEC.classes, 5)


def test_a_burst_is_found_where_it_is(tmp_path: Path) -> None:
    model = hearing(tmp_path)
    items = [*model.items([str(tmp_path / "1.wav")], []), model.item(recording(0.7), 4)]
    assert items[1].name == "sound 4"
    answers = model.predict([item.name for item in items], [model.preprocess(item) for item in items])
    for answer, start in zip(answers, (0.2, 0.7), strict=True):
        assert answer.prediction == ["burst"] and answer.facts["seconds"] == 1.2
        (found,) = answer.facts["segments"]  # type: ignore[misc]
        assert found["start"] == pytest.approx(start, abs=0.03) and found["end"] == pytest.approx(start + 0.4, abs=0.03)


def test_other_data_is_tested(tmp_path: Path) -> None:
    model = hearing(tmp_path)
    sounds = sounds_of(tmp_path / "more", [recording(0.1), recording(0.5)])
    segments = SegmentCollection([[], [Segment(start_s=0.5, end_s=0.9, label="burst")]], ["0.wav", "1.wav"])
    found = model.evaluate(report_of(sounds, SPEC, ["test"] * 2, targets=segments), [1])
    error = found.metrics["frame_error"]
    assert found.n == 1 and isinstance(error, Mapping) and error["value"] < 0.05 and found.rows[1][0] == "1.wav"


def test_a_job_s_bundle_answers_as_the_job(tmp_path: Path) -> None:
    job = made(tmp_path)
    network = job.objective.network.eval()
    opened = recipe.reopen(bundle_of(SPEC, job.network_card(), job.bundle_files(), network.state_dict()))
    assert (opened.classes, opened.min_duration, opened.preparation) == (SPEC.classes, 10, job.preparation)
    batch = job.batches.batch(0)
    with torch.no_grad():
        assert torch.equal(opened.network(batch.inputs), network(batch.inputs))
    exported = opened.exportable([noise(800)])
    assert exported.count == 1 and exported.axes == (1, "frames", 2) and exported.facts["shortest_frames"] == 10
    with torch.no_grad():
        answer = exported.network(torch.from_numpy(noise(800))[None])
    (expected,) = opened._probabilities([torch.from_numpy(noise(800))])
    np.testing.assert_allclose(answer[0], expected, atol=2e-3)
    assert opened.exportable([]).count == 1


@pytest.mark.parametrize(
    ("answers", "count"),
    [({"classes": ["burst"], "shortest_frames": 10}, 1), ({"classes": [], "shortest_frames": 10}, 0),
     ({"classes": ["none", "burst"]}, 2), ({"classes": ["none", "burst"], "shortest_frames": 10}, 3),
     ({"shortest_frames": 10}, 2)],
)  # fmt: skip
def test_a_broken_bundle_is_refused(answers: dict[str, object], count: int, tmp_path: Path) -> None:
    files = {**made(tmp_path).bundle_files(), "answers.json": answers}
    with pytest.raises(CapasError) as error:
        recipe.reopen(bundle_of(SPEC, network_card("crnn-sound", width=4, hidden=96, num_classes=count), files))
    assert (error.value.key, error.value.where) == ("bundle_incomplete", "bundle/answers.json")


@pytest.mark.parametrize(("median_s", "frames"), [(0.1, 11), (9.0, 51)])
def test_a_trial_batch_lasts_as_long_as_the_median_recording(median_s: float, frames: int, tmp_path: Path) -> None:
    report = report_of(sounds_of(tmp_path, [noise(80)]), SPEC, ["train"] * 5,
                       statistics=sound_statistics_of(median_s=median_s))  # fmt: skip
    trial = recipe.trial(Config().merged(SETTINGS), report)
    assert trial.examples == 2 and trial.batch.inputs.values.shape == (2, 8, frames)
    assert trial.batch.targets.shape == (2, frames) and set(trial.batch.targets.unique().tolist()) <= {0, 1}
    (phase,) = trial.objective.phases
    assert trial.objective.losses(trial.batch, phase, step_context())["loss"].isfinite()
