"""Default values for text problems, and the choice of network."""

from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.collections import TextCollection
from capas.data.inspect.report import DatasetReport
from capas.data.text.language import function_word_shares
from capas.engine.config import Config
from capas.engine.defaults import fill_defaults, resolve_auto
from capas.engine.recipe import ResolvedConfig
from capas.networks.sequence.minilm import (
    minilm_vocabulary_file,
    minilm_weights_installed,
)

NAMES: Final = ("text-linear", "text-bag", "text-cnn", "text-transformer", "text-minilm")
LINEAR: Final = "text-linear"
MINILM: Final = "text-minilm"
MAX_MINILM_TEXTS: Final = 3000  # from here on, counting words costs less and does as well


def resolve_defaults(config: Config, report: DatasetReport) -> ResolvedConfig:
    """Resolve every "auto" for texts. Raises CapasError ``network_not_for``,
    ``minilm_missing`` or ``minilm_changed``.
    """
    n = max(1, report.split.count("train"))
    name, why = (config.network.name, ()) if config.network.name != "auto" else default_network(config, report)
    if name not in NAMES:
        raise CapasError("network_not_for", where="network.name", received=name, names=", ".join(NAMES))
    if name == MINILM:
        minilm_vocabulary_file()  # complains now, not after the examples were read
    reads = name != LINEAR
    batch = max(8, min(64, 1 << max(0, (n // 40).bit_length() - 1)))
    epochs = resolve_auto(config.train.epochs, float(max(5, min(40, round((60_000 if reads else 40_000) / n)))))
    # The linear network is convex and its inputs have length one: plain descent with a large rate finds the minimum,
    # where Adam's steps, all of one size, overfit the rare words (measured on Reuters: F1 0.87 against 0.80).
    rates = {"text-linear": 20.0, "text-bag": 5e-3, "text-cnn": 1e-3, "text-transformer": 5e-4, MINILM: 2e-3}
    reasons = (say(f"settle.{name}", network=name), *why, say("settle.epochs", epochs=int(epochs), n=n))
    made = fill_defaults(
        config, name=name, width={LINEAR: 0, MINILM: 256}.get(name, 128), batch_size=batch, epochs=epochs,
        learning_rate=rates[name], optimizer="adamw" if reads else "sgd", weight_decay=1e-2 if reads else 1e-6,
    )  # fmt: skip
    return ResolvedConfig(config=made, reasons=reasons)


def default_network(config: Config, report: DatasetReport) -> tuple[str, tuple[str, ...]]:
    """Choose the network where none is named: sentence embeddings where their weights are installed, training texts are
    few and look English, and ``network.pretrained`` is not false; else a linear network on tf-idf.

    Returns:
        The name of the network, and the reasons where it is not the usual one.
    """
    assert isinstance(report.inputs, TextCollection)
    train = [text for text, part in zip(report.inputs.texts, report.split, strict=True) if part == "train"]
    if config.network.pretrained is False or len(train) > MAX_MINILM_TEXTS or not minilm_weights_installed():
        return LINEAR, ()
    found = function_word_shares(train)
    if not found.looks_english:
        return LINEAR, ()
    return MINILM, (say("settle.minilm_chosen", n=len(train), percent=round(100 * found.english)),)
