"""Default values for audio problems."""

from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.inspect.dataset_scan import AudioStatistics
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.defaults import fill_defaults, resolve_auto
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.shared.initial_weights import initial_bundle
from capas.engine.recipes.shared.spectrograms import bundled_audio_preparation

NAME: Final = "spectrogram-cnn"
WIDTH: Final = 64
MAX_DEFAULT_SECONDS: Final = 10.0


def _as_before(config: Config) -> Config:
    """The configuration with the width and the preprocessing of the run that it starts from."""
    bundle = initial_bundle(config.network.init_from, "audio")
    before = bundled_audio_preparation(bundle)
    sound = {"sample_rate": before.rate, "seconds": before.seconds, "n_mels": before.num_mels}
    width = int(bundle.card.network.settings.get("width") or WIDTH)
    return config.model_copy(
        update={
            "audio": config.audio.model_copy(update=sound),
            "network": config.network.model_copy(update={"width": width}),
        }
    )


def resolve_defaults(config: Config, report: DatasetReport) -> ResolvedConfig:
    """Resolve every "auto" for audio. Raises CapasError ``no_sounds_to_learn`` or ``network_not_for``."""
    n, sounds = max(1, report.split.count("train")), report.statistics
    if not isinstance(sounds, AudioStatistics):
        raise CapasError("no_sounds_to_learn", where=report.source.root)
    if config.network.name not in ("auto", NAME):
        raise CapasError("network_not_for", where="network.name", received=config.network.name, names=NAME)
    if config.network.init_from:
        config = _as_before(config)
    rate = resolve_auto(config.audio.sample_rate, min(16_000, sounds.most_common_sample_rate))
    seconds = resolve_auto(config.audio.seconds, min(MAX_DEFAULT_SECONDS, max(0.2, sounds.longest_s)))
    batch = max(8, min(64, 1 << max(0, (n // 30).bit_length() - 1)))
    epochs = resolve_auto(config.train.epochs, float(max(10, min(60, round(60_000 / n)))))
    reasons = [say("settle.sounds", network=NAME, rate=rate, seconds=f"{seconds:.1f}")]
    if sounds.longest_s > seconds:
        reasons.append(say("settle.sounds_cut", seconds=f"{seconds:.1f}", longest=f"{sounds.longest_s:.1f}"))
    reasons.append(say("settle.epochs", epochs=int(epochs), n=n))
    made = fill_defaults(config, name=NAME, width=WIDTH, batch_size=batch, epochs=epochs, learning_rate=2e-3)
    sound = config.audio.model_copy(update={"sample_rate": rate, "seconds": seconds})
    return ResolvedConfig(config=made.model_copy(update={"audio": sound}), reasons=tuple(reasons))
