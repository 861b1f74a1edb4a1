"""Default values of labelled sentences, by their number."""

from collections.abc import Mapping

import pytest

from capas.core.errors import CapasError
from capas.engine.config import Config
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.token_classification.defaults import resolve_defaults
from tests.engine.recipes.made_work import report_of, sentences_named, spec_of


def resolved(train: int, settings: Mapping[str, object] | None = None) -> ResolvedConfig:
    report = report_of(sentences_named([["a"]]), spec_of("label", "tokens"), ["train"] * train + ["test"] * 3)
    return resolve_defaults(Config().merged(settings or {}), report)


@pytest.mark.parametrize(
    ("train", "batch", "epochs"),
    [(0, 2, 60.0), (79, 2, 60.0), (160, 4, 60.0), (640, 16, 60.0), (2000, 16, 25.0), (8300, 16, 8.0)],
)
def test_fewer_sentences_mean_smaller_batches_and_more_passes(train: int, batch: int, epochs: float) -> None:
    config = resolved(train).config
    assert (config.train.batch_size, config.train.epochs) == (batch, epochs)
    assert (config.network.name, config.network.width) == ("bilstm-crf", 128)
    assert (config.text.vocab_size, config.text.max_words) == (50_000, 500)
    assert (config.optim.warmup, config.optim.ema, config.optim.clip) == (0.05, 0.998, 5.0)


def test_what_the_user_set_is_kept() -> None:
    settings: dict[str, object] = {
        "network.width": 9, "train.batch_size": 3, "train.epochs": 1.5, "text.vocab_size": 301, "text.max_words": 7,
        "optim.ema": 0.5,
    }  # fmt: skip
    tree = resolved(9, settings).config.model_dump()
    assert {key: tree[key.split(".")[0]][key.split(".")[1]] for key in settings} == settings


def test_another_network_is_refused_with_the_right_one() -> None:
    with pytest.raises(CapasError) as error:
        resolved(9, {"network.name": "transformer"})
    assert error.value.key == "network_not_for" and error.value.values["names"] == "bilstm-crf"


def test_the_reasons_name_network_epochs_and_sentences() -> None:
    first, second = resolved(2000).reasons
    assert "bilstm-crf" in first and "25" in second and "2000" in second.replace(",", "").replace("\u202f", "")
