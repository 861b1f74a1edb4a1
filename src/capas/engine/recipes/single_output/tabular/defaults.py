"""Default values for tabular problems."""

from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.defaults import fill_defaults, resolve_auto
from capas.engine.recipe import ResolvedConfig

NAME: Final = "tabular-blend"
NETWORK_ALONE: Final = "tabular-mlp"
NAMES: Final = (NAME, NETWORK_ALONE)
WIDTH: Final = 128
MIN_STEPS, MAX_STEPS, MIN_EPOCHS = 600, 2000, 10


def resolve_defaults(config: Config, report: DatasetReport) -> ResolvedConfig:
    """Resolve every "auto" for a table. Raises CapasError ``network_not_for``."""
    n = max(1, report.split.count("train"))
    name = resolve_auto(config.network.name, NAME)
    if name not in NAMES:
        raise CapasError("network_not_for", where="network.name", received=name, names=", ".join(NAMES))
    batch = 64 if n < 1000 else 128 if n < 3000 else 256
    steps = max(MIN_STEPS, min(MAX_STEPS, n // 2))
    epochs = resolve_auto(config.train.epochs, max(float(MIN_EPOCHS), float(round(steps * min(batch, n) / n))))
    reasons = [say(f"settle.{name}", network=name), say("settle.epochs", epochs=int(epochs), n=n)]
    made = fill_defaults(config, name=name, width=WIDTH, batch_size=batch, epochs=epochs, learning_rate=2e-3)
    return ResolvedConfig(config=made, reasons=tuple(reasons))
