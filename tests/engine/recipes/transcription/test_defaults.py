"""Default values of readers, by the number of lines."""

from collections.abc import Mapping

import pytest

from capas.core.errors import CapasError
from capas.core.spec import FieldKind
from capas.engine.config import Config
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.transcription.defaults import resolve_defaults
from tests.engine.recipes.made_work import report_of, sound_statistics_of, spec_of, texts_of


def resolved(train: int, settings: Mapping[str, object] | None = None, kind: FieldKind = "image") -> ResolvedConfig:
    texts = texts_of(["ab"] * train + ["xyz"])
    report = report_of(texts, spec_of("transcribe", kind, target="transcript"), ["train"] * train + ["test"],
                       targets=texts, statistics=sound_statistics_of() if kind == "audio" else None)  # fmt: skip
    return resolve_defaults(Config().merged(settings or {}), report)


@pytest.mark.parametrize(
    ("train", "batch", "epochs"), [(1, 4, 200.0), (100, 10, 200.0), (400, 16, 50.0), (9000, 16, 5.0)]
)
def test_about_twenty_thousand_lines_are_read(train: int, batch: int, epochs: float) -> None:
    config = resolved(train).config
    assert (config.train.batch_size, config.train.epochs) == (batch, epochs)
    assert (config.network.name, config.network.width, config.data.channels) == ("crnn", 24, 1)
    assert (config.optim.optimizer, config.optim.learning_rate, config.optim.weight_decay) == ("adamw", 2e-3, 1e-3)


def test_speech_has_its_own_network_and_rate() -> None:
    config = resolved(100, kind="audio").config
    assert (config.network.name, config.audio.sample_rate, config.audio.seconds) == ("crnn-sound", 8000, 2.0)


def test_the_alphabet_is_that_of_the_training_lines() -> None:
    first, second = resolved(100).reasons
    assert "crnn" in first and "2" in first and "200" in second and "100" in second


def test_what_the_user_set_is_kept_and_another_network_refused() -> None:
    settings: dict[str, object] = {"data.image_size": 32, "network.width": 7, "train.batch_size": 3,
                                   "train.epochs": 1.5, "augment.crop": 0.5}  # fmt: skip
    tree = resolved(100, settings).config.model_dump()
    assert {key: tree[key.split(".")[0]][key.split(".")[1]] for key in settings} == settings
    with pytest.raises(CapasError) as error:
        resolved(100, {"network.name": "compact"})
    assert error.value.key == "network_not_for" and error.value.values["names"] == "crnn"
