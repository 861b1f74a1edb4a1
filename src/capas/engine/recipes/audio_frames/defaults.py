"""Default values for audio segmentation."""

from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.inspect.dataset_scan import AudioStatistics
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.defaults import fill_defaults, resolve_auto, update_sections
from capas.engine.recipe import ResolvedConfig

NAME: Final = "crnn-sound"
WIDTH, HIDDEN = 24, 96
PIECE_S: Final = 10.0
TRAINING_SECONDS: Final = 20_000.0
BATCH: Final = 16


def resolve_defaults(config: Config, report: DatasetReport) -> ResolvedConfig:
    """Resolve every "auto" for recordings with segments. Raises CapasError ``no_sounds_to_learn`` or
    ``network_not_for``.
    """
    sounds = report.statistics
    if not isinstance(sounds, AudioStatistics):
        raise CapasError("no_sounds_to_learn", where=report.source.root)
    if config.network.name not in ("auto", NAME):
        raise CapasError("network_not_for", where="network.name", received=config.network.name, names=NAME)
    n = max(1, report.split.count("train"))
    rate = resolve_auto(config.audio.sample_rate, min(16_000, sounds.most_common_sample_rate))
    seconds = resolve_auto(config.audio.seconds, min(PIECE_S, max(0.2, sounds.longest_s)))
    learnt_s = max(seconds, sounds.total_s * n / max(1, sounds.count))
    pieces = max(1, round(learnt_s / seconds))
    epochs = resolve_auto(config.train.epochs, float(max(5, min(100, round(TRAINING_SECONDS / learnt_s)))))
    made = fill_defaults(
        config, name=NAME, width=WIDTH, batch_size=max(2, min(BATCH, pieces // 10)), epochs=epochs,
        learning_rate=2e-3, weight_decay=1e-3, clip=5.0,
    )  # fmt: skip
    made = update_sections(made, {"audio": {"sample_rate": rate, "seconds": seconds}})
    reasons = (say("settle.frames", network=NAME, seconds=f"{seconds:.1f}"),
               say("settle.epochs", epochs=int(epochs), n=n))  # fmt: skip
    return ResolvedConfig(config=made, reasons=reasons)
