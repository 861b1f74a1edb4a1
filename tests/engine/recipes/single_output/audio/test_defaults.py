"""Default values of sounds, by their number, rate and length."""

from collections.abc import Mapping

import pytest

from capas.core.errors import CapasError
from capas.data.inspect.dataset_scan import AudioStatistics
from capas.engine.config import Config
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.single_output.audio.defaults import resolve_defaults
from tests.engine.recipes.made_work import image_statistics_of, report_of, sound_statistics_of, spec_of, texts_of

SPEC = spec_of("classify", "audio", classes=("a", "b"))


def resolved(
    train: int = 100, settings: Mapping[str, object] | None = None, sounds: AudioStatistics | None = None
) -> ResolvedConfig:
    report = report_of(texts_of(["a"]), SPEC, ["train"] * train, statistics=sounds or sound_statistics_of())
    return resolve_defaults(Config().merged(settings or {}), report)


@pytest.mark.parametrize(
    ("rates", "longest_s", "rate", "seconds"),
    [({44_100: 9, 8000: 1}, 3.5, 16_000, 3.5), ({8000: 5, 44_100: 4}, 25.0, 8000, 10.0), ({8000: 1}, 0.05, 8000, 0.2)],
)
def test_rate_and_length_follow_the_sounds_within_limits(
    rates: dict[int, int], longest_s: float, rate: int, seconds: float
) -> None:
    found = resolved(sounds=sound_statistics_of(longest_s=longest_s, rates=rates))
    assert (found.config.audio.sample_rate, found.config.audio.seconds) == (rate, seconds)
    # That long ones lose their ends is said.
    assert len(found.reasons) == (3 if longest_s > seconds else 2)


@pytest.mark.parametrize(
    ("train", "batch", "epochs"),
    [(0, 8, 60.0), (100, 8, 60.0), (480, 16, 60.0), (2000, 64, 30.0), (10**5, 64, 10.0)],
)
def test_fewer_sounds_mean_smaller_batches_and_more_passes(train: int, batch: int, epochs: float) -> None:
    config = resolved(train).config
    assert (config.train.batch_size, config.train.epochs) == (batch, epochs)
    assert (config.network.name, config.network.width, config.optim.learning_rate) == ("spectrogram-cnn", 64, 2e-3)


def test_what_the_user_set_is_kept() -> None:
    settings: dict[str, object] = {"audio.sample_rate": 4000, "audio.seconds": 0.5, "network.width": 7,
                                   "train.batch_size": 3, "train.epochs": 1.5}  # fmt: skip
    tree = resolved(settings=settings).config.model_dump()
    assert {key: tree[key.split(".")[0]][key.split(".")[1]] for key in settings} == settings


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(CapasError) as error:
        resolved(settings={"network.name": "compact"})
    assert error.value.key == "network_not_for" and error.value.values["names"] == "spectrogram-cnn"
    with pytest.raises(CapasError) as error:
        resolve_defaults(Config(), report_of(texts_of(["a"]), SPEC, ["train"], statistics=image_statistics_of(1, 1)))
    assert (error.value.key, error.value.where) == ("no_sounds_to_learn", "made")
