"""A reader's job on stripes: labels follow their lines, and figures are those of the network."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from capas.core.errors import CapasError
from capas.data.image.io import ImageArray
from capas.engine.distributed import Ranks
from capas.engine.recipes.transcription import learn as module
from capas.engine.recipes.transcription.learn import TranscriptionJob
from capas.engine.recipes.transcription.line_images import LineImageInputs
from tests.engine.recipes.made_work import FLOAT32, parameters_of, pixels, spec_of, texts_of, work_of

SPEC = spec_of("transcribe", "image", target="transcript")
SETTINGS: Mapping[str, object] = {
    "data.image_size": 16, "data.channels": 1, "network.width": 4, "train.batch_size": 2, "augment.crop": 0.1,
    "augment.colour": 0.1, "network.ngrams": 0,
}  # fmt: skip
TEXTS = ["unused", "ab", "ba", "a" * 40, "ab", "aab"]
SPLITS = ("train", "train", "train", "validation", "test")


def made(texts: list[str] = TEXTS) -> TranscriptionJob:
    pictures = ImageArray(pixels(6, 16, 48), "p")
    work = work_of(pictures, SPEC, SPLITS, SETTINGS, targets=texts_of(texts), indices=[1, 2, 3, 4, 5])
    return TranscriptionJob(work, LineImageInputs(height=16, hidden=5), Ranks())


def says(job: TranscriptionJob, paths: Mapping[int, list[int]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The network gives each example, by position, this path with a score of 6."""
    by_line = {bytes(job.examples[i].numpy().tobytes()): path for i, path in paths.items()}

    def answers(network: object, lines: object, execution: object) -> list[torch.Tensor]:
        values = (lines.values * 255).round().to(torch.uint8).numpy()  # type: ignore[attr-defined]
        found = []
        for row, length in zip(values, lines.lengths.tolist(), strict=True):  # type: ignore[attr-defined]
            path = by_line[np.ascontiguousarray(row[0, :, :length]).tobytes()]
            found.append(6.0 * torch.nn.functional.one_hot(torch.tensor(path), 3).float())
        return found

    monkeypatch.setattr(module, "forward_sequences", answers)


def test_lines_whose_text_has_no_room_are_left_out() -> None:
    job = made()
    # 48 columns are 12 frames; forty times "a" needs 79.
    assert job.batches.examples == 2 and job.alphabet.characters == "ab"
    batch = job.batches.batch(0)
    expected = {0: [1, 2], 1: [2, 1]}
    assert [row.tolist() for row in batch.targets] == [expected[i] for i in batch.positions.tolist()]
    with pytest.raises(CapasError) as error:
        made(["a" * 40] * 6)
    assert (error.value.key, error.value.received) == ("transcripts_all_short", "3")


def test_figures_are_those_of_the_best_path(monkeypatch: pytest.MonkeyPatch) -> None:
    job = made()
    says(job, {3: [1, 0, 1, 0], 4: [1, 0, 1, 2]}, monkeypatch)
    score = job.validate(FLOAT32)
    # "aa" for "ab".
    assert (score.metric, score.value, score.n) == ("character_accuracy", 0.5, 1) and score.loss > 0
    found = job.test(FLOAT32)
    cer = found.metrics["cer"]
    assert isinstance(cer, Mapping) and cer["value"] == 0.0 and found.rows[1][:3] == ["p/00005", "aab", "aab"]


def test_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    job = made()
    says(job, {3: [1, 2], 4: [1]}, monkeypatch)
    job.calibrate(FLOAT32)
    files, card = job.bundle_files(), job.network_card()
    answers = files["answers.json"]
    assert isinstance(answers, dict) and answers["alphabet"] == "ab" and answers["kind"] == "transcript"
    assert answers["beam"] == 0 and answers["cer_on_validation"] == {"best_path": 0.0, "beam": 0.0}
    assert files["preparation.json"] == {"height": 16, "name": "crnn", "hidden": 5}
    assert card.settings == {"width": 4, "hidden": 5, "num_labels": 3}
    assert card.parameters == parameters_of(job._network) and job.head is None and job.has_validation
