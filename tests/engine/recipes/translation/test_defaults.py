"""Default values of translation, by the number of pairs."""

from collections.abc import Mapping

import pytest

from capas.core.errors import CapasError
from capas.engine.config import Config
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.translation.defaults import resolve_defaults
from tests.engine.recipes.made_work import report_of, spec_of, texts_of


def resolved(train: int, settings: Mapping[str, object] | None = None) -> ResolvedConfig:
    report = report_of(texts_of(["a"]), spec_of("translate", "text"), ["train"] * train + ["test"] * 3)
    return resolve_defaults(Config().merged(settings or {}), report)


@pytest.mark.parametrize(
    ("train", "width", "vocabulary", "batch", "epochs"),
    [
        (0, 128, 2000, 4, 100.0),
        (40, 128, 2000, 4, 100.0),
        (640, 128, 2000, 16, 100.0),
        (4999, 128, 2000, 64, 87.0),
        (5000, 256, 8000, 64, 87.0),
        (6000, 256, 8000, 128, 72.0),
        (100_000, 256, 8000, 128, 8.0),
    ],
)
def test_more_pairs_mean_a_wider_network_and_fewer_passes(
    train: int, width: int, vocabulary: int, batch: int, epochs: float
) -> None:
    config = resolved(train).config
    assert (config.network.name, config.network.width, config.text.vocab_size) == ("transformer", width, vocabulary)
    assert (config.train.batch_size, config.train.epochs, config.text.max_words) == (batch, epochs, 200)
    assert (config.optim.learning_rate, config.optim.warmup, config.optim.ema) == (1e-3, 0.1, 0.995)


def test_what_the_user_set_is_kept() -> None:
    settings: dict[str, object] = {
        "network.width": 16, "train.batch_size": 3, "train.epochs": 1.5, "text.vocab_size": 301, "text.max_words": 7,
        "optim.learning_rate": 0.25,
    }  # fmt: skip
    tree = resolved(9, settings).config.model_dump()
    assert {key: tree[key.split(".")[0]][key.split(".")[1]] for key in settings} == settings


@pytest.mark.parametrize(
    ("key", "value", "error_key"),
    [("network.name", "text-cnn", "network_not_for"), ("network.width", 12, "width_not_for"),
     ("network.width", 0, "width_not_for"), ("network.width", 4, "width_not_for")],
)  # fmt: skip
def test_what_cannot_be_is_refused(key: str, value: object, error_key: str) -> None:
    with pytest.raises(CapasError) as error:
        resolved(9, {key: value})
    assert (error.value.key, error.value.where, error.value.received) == (error_key, key, str(value))


@pytest.mark.parametrize(("width", "layers"), [(128, "2"), (256, "3")])
def test_the_reason_names_layers_and_pairs(width: int, layers: str) -> None:
    first, second = resolved(77, {"network.width": width}).reasons
    assert layers in first and str(width) in first and "77" in first and "100" in second
