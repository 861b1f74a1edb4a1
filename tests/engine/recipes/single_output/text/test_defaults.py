"""The network for texts, by their number, their language, and what is installed."""

from collections.abc import Mapping

import pytest

from capas.core.errors import CapasError
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.recipes.single_output.text import defaults as module
from capas.engine.recipes.single_output.text.defaults import default_network, resolve_defaults
from tests.engine.recipes.made_work import report_of, spec_of, texts_of

ENGLISH, SPANISH = "The ship that left the harbour was old.", "El barco que salió del puerto era viejo."


def installed(monkeypatch: pytest.MonkeyPatch, present: bool) -> None:
    monkeypatch.setattr(module, "minilm_weights_installed", lambda: present)
    monkeypatch.setattr(module, "minilm_vocabulary_file", lambda: None)


def report(text: str = SPANISH, train: int = 8, test: str = SPANISH) -> DatasetReport:
    spec = spec_of("classify", "text", classes=("a", "b"))
    return report_of(texts_of([text] * train + [test]), spec, ["train"] * train + ["test"])


def test_few_english_texts_are_embedded_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, True)
    name, why = default_network(Config(), report(ENGLISH))
    # "the", "that", "the" and "was" are 4 of 8 words.
    assert name == "text-minilm" and "8" in why[0] and "50" in why[0]
    assert default_network(Config(), report(SPANISH, test=ENGLISH)) == ("text-linear", ())
    assert default_network(Config().merged({"network.pretrained": False}), report(ENGLISH)) == ("text-linear", ())
    assert default_network(Config(), report(ENGLISH, 3000))[0] == "text-minilm"
    assert default_network(Config(), report(ENGLISH, 3001)) == ("text-linear", ())
    installed(monkeypatch, False)
    assert default_network(Config(), report(ENGLISH)) == ("text-linear", ())


@pytest.mark.parametrize(
    ("name", "width", "optimizer", "rate", "decay"),
    [("text-linear", 0, "sgd", 20.0, 1e-6), ("text-bag", 128, "adamw", 5e-3, 1e-2),
     ("text-cnn", 128, "adamw", 1e-3, 1e-2), ("text-transformer", 128, "adamw", 5e-4, 1e-2),
     ("text-minilm", 256, "adamw", 2e-3, 1e-2)],
)  # fmt: skip
def test_each_network_is_trained_its_own_way(
    name: str, width: int, optimizer: str, rate: float, decay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, True)
    config = resolve_defaults(Config().merged({"network.name": name}), report()).config
    assert (config.network.name, config.network.width, config.optim.optimizer) == (name, width, optimizer)
    assert (config.optim.learning_rate, config.optim.weight_decay) == (rate, decay)


@pytest.mark.parametrize(
    ("name", "train", "batch", "epochs"),
    [("text-linear", 1, 8, 40.0), ("text-linear", 4000, 64, 10.0), ("text-cnn", 4000, 64, 15.0),
     ("text-cnn", 640, 16, 40.0), ("text-linear", 10**5, 64, 5.0)],
)  # fmt: skip
def test_more_texts_mean_larger_batches_and_fewer_passes(name: str, train: int, batch: int, epochs: float) -> None:
    full = report()
    object.__setattr__(full, "split", ("train",) * train)
    config = resolve_defaults(Config().merged({"network.name": name}), full).config
    assert (config.train.batch_size, config.train.epochs) == (batch, epochs)


def test_what_the_user_set_is_kept() -> None:
    settings: Mapping[str, object] = {"network.name": "text-bag", "network.width": 7, "train.epochs": 1.5,
                                      "train.batch_size": 3, "optim.learning_rate": 0.5}  # fmt: skip
    tree = resolve_defaults(Config().merged(settings), report()).config.model_dump()
    assert {key: tree[key.split(".")[0]][key.split(".")[1]] for key in settings} == settings


def test_another_network_is_refused_with_the_right_ones() -> None:
    with pytest.raises(CapasError) as error:
        resolve_defaults(Config().merged({"network.name": "compact"}), report())
    assert error.value.key == "network_not_for" and "text-bag" in str(error.value.values["names"])
