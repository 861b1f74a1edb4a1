"""Default values for translation."""

from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.defaults import fill_defaults, resolve_auto
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.translation.network import num_layers_for

NAME: Final = "transformer"
VOCABULARY, MAX_PIECES, BEAM_WIDTH, LENGTH_PENALTY, BATCH = 8000, 200, 4, 0.6, 64
MAX_SMALL_CORPUS: Final = 5000


def resolve_defaults(config: Config, report: DatasetReport) -> ResolvedConfig:
    """Resolve every "auto" for parallel texts. Raises CapasError ``network_not_for`` or ``width_not_for``."""
    n = max(1, report.split.count("train"))
    if config.network.name not in ("auto", NAME):
        raise CapasError("network_not_for", where="network.name", received=config.network.name, names=NAME)
    width = resolve_auto(config.network.width, 128 if n < MAX_SMALL_CORPUS else 256)
    if width < 8 or width % 8:
        raise CapasError("width_not_for", where="network.width", received=width)
    batch = max(4, min(128, 1 << max(0, (n // 40).bit_length() - 1)))
    epochs = resolve_auto(config.train.epochs, float(max(8, min(100, round(435_000 / n)))))
    vocabulary = resolve_auto(config.text.vocab_size, VOCABULARY if n >= MAX_SMALL_CORPUS else 2000)
    made = fill_defaults(
        config, name=NAME, width=width, batch_size=batch, epochs=epochs, learning_rate=1e-3, warmup=0.1, ema=0.995,
    )  # fmt: skip
    text = config.text.model_copy(
        update={"vocab_size": vocabulary, "max_words": resolve_auto(config.text.max_words, MAX_PIECES)}
    )
    reason = say(
        "settle.translation", network=NAME, layers=num_layers_for(width), width=width, n=n, vocabulary=vocabulary
    )
    return ResolvedConfig(
        config=made.model_copy(update={"text": text}), reasons=(reason, say("settle.epochs", epochs=int(epochs), n=n))
    )
