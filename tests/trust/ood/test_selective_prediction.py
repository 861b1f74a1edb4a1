"""What does not resemble the training data is refused, and the detector belongs to one model."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import capas
from capas.core.errors import CapasError
from capas.trust.ood.detector import DETECTOR_FILE
from capas.trust.report import TrustReport


def noise(n: int = 20) -> list[np.ndarray]:
    chance = np.random.default_rng(0)
    return [chance.integers(0, 256, (24, 24, 3), dtype=np.uint8) for _ in range(n)]


def usual(bars_run: Path, n: int = 60) -> list[np.ndarray]:
    paths = sorted((bars_run.parent / "data").rglob("*.png"))
    return [np.asarray(Image.open(path)) for path in paths[:: len(paths) // n]][:n]


@pytest.fixture
def guarded_run(bars_report: TrustReport) -> Path:
    return bars_report.folder.parent


def test_noise_is_refused_with_a_reason_and_a_heat_map_and_bars_are_answered(guarded_run: Path) -> None:
    model = capas.load(guarded_run)
    strange = model.predict(noise())
    assert all(answer.refused and answer.prediction is None for answer in strange)
    assert all(".unlike.png" in answer.files and answer.facts["unlike_training_data"] for answer in strange)
    refused = sum(answer.refused is not None for answer in model.predict(usual(guarded_run)))
    assert refused <= 12  # 5 % are meant to be


def test_a_refusal_shows_the_picture_that_was_given_at_its_own_size(guarded_run: Path, tmp_path: Path) -> None:
    large = Image.fromarray(noise(1)[0]).resize((120, 96), Image.Resampling.NEAREST)
    (answer,) = capas.load(guarded_run).predict([np.asarray(large)])
    assert answer.refused
    path = tmp_path / "unlike.png"
    path.write_bytes(answer.files[".unlike.png"])
    with Image.open(path) as shown:
        assert shown.size == (120, 96)


def test_the_answer_can_be_had_all_the_same(guarded_run: Path) -> None:
    answers = capas.load(guarded_run, answer_all=True).predict(noise())
    assert all(answer.refused is None and answer.prediction is not None for answer in answers)
    assert all(answer.facts["unlike_training_data"] for answer in answers)


def test_batches_do_not_change_what_is_refused(guarded_run: Path) -> None:
    model, shown = capas.load(guarded_run), [*usual(guarded_run, 10), *noise(3)]
    together = model.predict(shown)
    assert [a.refused for a in model.predict(shown, batch_size=1)] == [a.refused for a in together]


def test_without_a_report_nothing_is_refused(finished_run: Path) -> None:
    assert all(answer.refused is None for answer in capas.load(finished_run).predict(noise(5)))


def test_a_detector_of_another_model_or_a_damaged_one_is_an_error(guarded_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(guarded_run, run)
    path = run / "bundle" / DETECTOR_FILE
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CapasError) as error:
        capas.load(run)
    assert error.value.key == "bundle_altered"
    from capas.bundle.card import read_card
    from capas.trust.ood.detector import load_detector

    path.write_bytes(content)
    card = read_card(run / "bundle" / "card.json")
    other = card.model_copy(update={"weights": card.weights.model_copy(update={"hash": "0" * 32})})
    with pytest.raises(CapasError) as error:
        load_detector(run / "bundle", other)
    assert error.value.key == "detector_damaged"
