"""The recipe of sounds, and the reader of its bundles."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from capas.core.errors import CapasError
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.recipe import Item
from capas.engine.recipes.single_output.audio.recipe import recipe
from capas.engine.recipes.single_output.learn import SingleOutputJob
from tests.engine.recipes.made_work import (
    bundle_of,
    noise,
    report_of,
    sound_statistics_of,
    sounds_of,
    spec_of,
    work_of,
)
from tests.harness import step_context

SPEC = spec_of("classify", "audio", classes=("a", "b"))
SETTINGS: Mapping[str, object] = {
    "network.width": 4, "train.batch_size": 2, "audio.n_mels": 8, "audio.sample_rate": 8000, "audio.seconds": 0.1,
}  # fmt: skip


def made(folder: Path) -> SingleOutputJob[object]:
    sounds = sounds_of(folder, [noise(800, seed) for seed in range(4)])
    work = work_of(sounds, SPEC, ["train", "test", "train"], SETTINGS, labels=[0, 1, 1], indices=[3, 1, 0])
    job = recipe.prepare(work, Ranks())
    assert isinstance(job, SingleOutputJob)
    return job


def test_a_job_s_bundle_answers_as_the_job(tmp_path: Path) -> None:
    job = made(tmp_path)
    values = torch.cat([job.prepared.take(torch.tensor([i])).values.flatten() for i in (0, 2)])  # type: ignore[attr-defined]
    assert float(values.mean()) == pytest.approx(0, abs=1e-3) and float(values.std()) == pytest.approx(1, abs=1e-3)
    network = job._network.eval()
    opened = recipe.reopen(bundle_of(SPEC, job.network_card(), job.bundle_files(), network.state_dict()))
    items = [*opened.items(["3.wav", "1.wav"], []), opened.item(noise(800), 2), opened.item(Path("0.wav"), 3)]
    assert [item.name for item in items] == ["3.wav", "1.wav", "sound 2", "0.wav"]
    prepared = [opened.preprocess(item) for item in items]
    with torch.no_grad():
        found = opened.network(opened.reader.collate([prepared[0], prepared[1], prepared[3]]))
        torch.testing.assert_close(found, network(job.prepared.take(torch.arange(3))))
    assert prepared[2] is items[2].content
    sounds = sounds_of(tmp_path, [noise(800, seed) for seed in range(2)])
    assert np.array_equal(np.asarray(opened.reader.preprocess_example(sounds, 1)), np.asarray(prepared[1]))


def test_an_export_takes_waveforms(tmp_path: Path) -> None:
    job = made(tmp_path)
    network = job._network.eval()
    opened = recipe.reopen(bundle_of(SPEC, job.network_card(), job.bundle_files(), network.state_dict()))
    found = opened.exportable([noise(800)])
    with torch.no_grad():
        answer = found.network(torch.from_numpy(noise(800))[None])
        expected = network(opened.reader.collate([noise(800)])).softmax(1)
    torch.testing.assert_close(answer, expected, atol=1e-3, rtol=1e-3)
    assert found.count == 1 and opened.exportable([]).count == 16 and found.inputs[0].name == "sounds"


@pytest.mark.parametrize(
    "content",
    [np.zeros(9, np.float64), np.zeros((2, 9), np.float32), [0.1], None],
    ids=["double", "stereo", "list", ""],
)
def test_what_is_no_sound_is_refused(content: object, tmp_path: Path) -> None:
    job = made(tmp_path)
    opened = recipe.reopen(bundle_of(SPEC, job.network_card(), job.bundle_files(), job._network.state_dict()))
    with pytest.raises(CapasError) as error:
        opened.preprocess(Item(name="it", content=content))
    assert (error.value.key, error.value.where) == ("not_a_sound_array", "it")


@pytest.mark.parametrize(("seconds", "median_s", "frames"), [(0.1, 5.0, 11), (0.1, 0.05, 6), (0.1, 0.0, 1)])
def test_a_trial_batch_lasts_as_long_as_the_median_sound(
    seconds: float, median_s: float, frames: int, tmp_path: Path
) -> None:
    sounds = sounds_of(tmp_path, [noise(80)])
    report = report_of(sounds, SPEC, ["train"] * 5, labels=[0, 1, 0, 1, 0],
                       statistics=sound_statistics_of(median_s=median_s))  # fmt: skip
    trial = recipe.trial(Config().merged({**SETTINGS, "audio.seconds": seconds}), report)
    assert trial.examples == 2 and trial.batch.inputs.values.shape == (2, 8, frames)
    (phase,) = trial.objective.phases
    assert trial.objective.losses(trial.batch, phase, step_context())["loss"].isfinite()


@pytest.mark.parametrize(
    "change", [{"rate": "fast"}, {"rate": 1}, {"rate": 10**30}, {"seconds": 1e308}, {"seconds": 0}, {"num_mels": 0},
               {"std": 0}],
)  # fmt: skip
def test_a_broken_bundle_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    job = made(tmp_path)
    files = {**job.bundle_files(), "preparation.json": {"rate": 8000, "seconds": 1.0, "num_mels": 8, **change}}
    with pytest.raises(CapasError) as error:
        recipe.reopen(bundle_of(SPEC, job.network_card(), files))
    assert (error.value.key, error.value.where) == ("bundle_incomplete", "bundle/preparation.json")
