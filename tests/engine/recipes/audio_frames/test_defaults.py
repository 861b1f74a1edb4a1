"""Default values of labelled recordings, by how long they last."""

from collections.abc import Mapping

import pytest

from capas.core.errors import CapasError
from capas.data.inspect.dataset_scan import AudioStatistics
from capas.engine.config import Config
from capas.engine.recipes.audio_frames.defaults import resolve_defaults
from tests.engine.recipes.made_work import report_of, sound_statistics_of, spec_of, texts_of

SPEC = spec_of("label", "audio", classes=("none", "a"))


def resolved(train: int, sounds: AudioStatistics | None, settings: Mapping[str, object] | None = None) -> Config:
    report = report_of(texts_of(["a"]), SPEC, ["train"] * train, statistics=sounds)
    return resolve_defaults(Config().merged(settings or {}), report).config


@pytest.mark.parametrize(
    ("count", "total_s", "longest_s", "train", "seconds", "batch", "epochs"),
    [
        # 70 of 100 recordings of 60 s: 4,200 s in 420 windows of 10 s, to be heard 5 times.
        (100, 6000.0, 90.0, 70, 10.0, 16, 5.0),
        # 7 of 10 recordings of 20 s: 140 s in 14 windows, 143 times, or 100 at most.
        (10, 200.0, 25.0, 7, 10.0, 2, 100.0),
        # 500 of 1,000 recordings of 2 s: 1,000 s in 400 windows of 2.5 s.
        (1000, 2000.0, 2.5, 500, 2.5, 16, 20.0),
        (1, 0.05, 0.05, 1, 0.2, 2, 100.0),
    ],
)  # fmt: skip
def test_about_twenty_thousand_seconds_are_heard(
    count: int, total_s: float, longest_s: float, train: int, seconds: float, batch: int, epochs: float
) -> None:
    config = resolved(train, sound_statistics_of(count=count, total_s=total_s, longest_s=longest_s))
    assert (config.audio.seconds, config.train.batch_size, config.train.epochs) == (seconds, batch, epochs)
    assert (config.network.name, config.network.width, config.audio.sample_rate) == ("crnn-sound", 24, 8000)
    assert (config.optim.weight_decay, config.optim.clip) == (1e-3, 5.0)


def test_high_rates_are_lowered_and_what_the_user_set_is_kept() -> None:
    assert resolved(9, sound_statistics_of(rates={48_000: 3})).audio.sample_rate == 16_000
    settings: dict[str, object] = {"audio.sample_rate": 4000, "audio.seconds": 0.5, "network.width": 7,
                                   "train.batch_size": 3, "train.epochs": 1.5}  # fmt: skip
    tree = resolved(9, sound_statistics_of(), settings).model_dump()
    assert {key: tree[key.split(".")[0]][key.split(".")[1]] for key in settings} == settings


def test_what_cannot_be_is_refused() -> None:
    for sounds, settings, key in (
        (None, {}, "no_sounds_to_learn"), (sound_statistics_of(), {"network.name": "compact"}, "network_not_for"),
    ):  # fmt: skip
        with pytest.raises(CapasError) as error:
            resolved(9, sounds, settings)
        assert error.value.key == key
