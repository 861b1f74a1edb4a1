"""The recipe of readers, and the predictor of its bundles."""

import numpy as np
import pytest
import torch

from capas.core.errors import CapasError
from capas.data.image.io import ImageArray
from capas.engine.config import Config
from capas.engine.recipes.transcription.recipe import recipe
from tests.engine.recipes.made_work import bundle_of, image_statistics_of, pixels, report_of, texts_of
from tests.engine.recipes.transcription.test_learn import SETTINGS, SPEC, made
from tests.harness import step_context


def test_a_job_s_bundle_answers_as_the_job() -> None:
    job = made()
    network = job._network.eval()
    opened = recipe.reopen(bundle_of(SPEC, job.network_card(), job.bundle_files(), network.state_dict()))
    assert opened.alphabet == job.alphabet and opened.temperature == 1.0
    pictures = pixels(2, 16, 48)
    prepared = [opened.preprocess(opened.item(picture, 0)) for picture in pictures]
    answers = opened.predict(["a", "b"], prepared)
    with torch.no_grad():
        logits, _ = network(job.inputs.collate([job.inputs.line(picture) for picture in pictures]))  # type: ignore[attr-defined]
    for answer, own in zip(answers, logits, strict=True):
        expected = job.decoder.decode(own[:12])
        assert answer.prediction == expected.text and answer.probability == pytest.approx(expected.probability)
    exported = opened.exportable(prepared[:1])
    with torch.no_grad():
        found = exported.network(*exported.compared[0])
    np.testing.assert_allclose(found[0, :12], logits[0, :12].log_softmax(1), atol=1e-3)
    assert exported.axes == (1, "frames", 3) and opened.exportable([]).count == 1


def test_other_data_is_tested_by_its_own_transcripts() -> None:
    job = made()
    opened = recipe.reopen(bundle_of(SPEC, job.network_card(), job.bundle_files(), job._network.state_dict()))
    report = report_of(ImageArray(pixels(2, 16, 48), "p"), SPEC, ["test"] * 2, targets=texts_of(["x", "an\u0303"]))
    found = opened.evaluate(report, [1])
    assert found.n == 1 and found.rows[1][:2] == ["p/00001", "añ"]


@pytest.mark.parametrize(
    ("changes", "received"),
    [({"alphabet": "abc"}, "4 ≠ 3"), ({"temperature": 0}, None), ({"beam": -1}, "beam = -1")],
)
def test_a_broken_bundle_is_refused(changes: dict[str, object], received: str | None) -> None:
    job = made()
    answers = job.bundle_files()["answers.json"]
    assert isinstance(answers, dict)
    files = {**job.bundle_files(), "answers.json": {**answers, **changes}}
    with pytest.raises(CapasError) as error:
        recipe.reopen(bundle_of(SPEC, job.network_card(), files, job._network.state_dict()))
    assert error.value.key == "bundle_incomplete" and received in (None, error.value.received)


def test_a_trial_batch_is_of_the_median_line() -> None:
    report = report_of(ImageArray(pixels(1, 16, 48), "p"), SPEC, ["train"] * 5, statistics=image_statistics_of(60, 20))
    trial = recipe.trial(Config().merged(SETTINGS), report)
    assert trial.examples == 2 and trial.batch.inputs.lengths.tolist() == [48, 48]
    assert trial.batch.targets.shape == (2, 1) and int(trial.batch.targets.min()) >= 1
    (phase,) = trial.objective.phases
    assert trial.objective.losses(trial.batch, phase, step_context())["loss"].isfinite()
