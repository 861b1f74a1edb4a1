"""Default values for tabular problems."""

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.defaults import fill_defaults, resolve_auto
from capas.engine.recipe import ResolvedConfig

NAME = "tabular-resnet"
WIDTH, BLOCKS = 128, 2


def resolve_defaults(config: Config, report: DatasetReport) -> ResolvedConfig:
    """Resolve every "auto" for a table. Raises CapasError ``network_not_for``."""
    n = max(1, report.split.count("train"))
    if config.network.name not in ("auto", NAME):
        raise CapasError("network_not_for", where="network.name", received=config.network.name, names=NAME)
    batch = max(16, min(256, 1 << max(0, (n // 20).bit_length() - 1)))
    epochs = float(max(20, min(150, round(100_000 / n))))
    epochs = resolve_auto(config.train.epochs, epochs)
    reasons = [say("settle.rows", network=NAME), say("settle.epochs", epochs=int(epochs), n=n)]
    made = fill_defaults(config, name=NAME, width=WIDTH, batch_size=batch, epochs=epochs, learning_rate=2e-3)
    return ResolvedConfig(config=made, reasons=tuple(reasons))
