"""Default values for transcription."""

from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.defaults import resolve_auto, update_sections
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.transcription.data import normalised_transcripts
from capas.engine.recipes.transcription.inputs import sequence_inputs_for
from capas.engine.recipes.transcription.warm_start import extended_alphabet
from capas.page_formats.normalise import load_rules

WIDTH: Final = 24
BATCH: Final = 16
TRAINING_LINES: Final = 20_000


def resolve_defaults(config: Config, report: DatasetReport) -> ResolvedConfig:
    """Resolve every "auto" for line images or speech with transcripts. Raises CapasError ``network_not_for`` and
    others.
    """
    inputs = sequence_inputs_for(report.detection.spec.medium)
    if config.network.name not in ("auto", inputs.name):
        raise CapasError("network_not_for", where="network.name", received=config.network.name, names=inputs.name)
    n = max(1, report.split.count("train"))
    epochs = resolve_auto(config.train.epochs, float(max(5, min(200, round(TRAINING_LINES / n)))))
    updates: dict[str, dict[str, object]] = {
        **inputs.config_updates(config, report),
        "network": {"name": inputs.name, "width": resolve_auto(config.network.width, WIDTH), "pretrained": False,
                    "flip_tta": False},
        "train": {"batch_size": resolve_auto(config.train.batch_size, max(4, min(BATCH, n // 10))), "epochs": epochs},
        "optim": {"optimizer": resolve_auto(config.optim.optimizer, "adamw"),
                  "learning_rate": resolve_auto(config.optim.learning_rate, 2e-3),
                  "weight_decay": resolve_auto(config.optim.weight_decay, 1e-3)},
    }  # fmt: skip
    texts = normalised_transcripts(report.source.targets, load_rules(config.data.transcripts))
    alphabet = extended_alphabet(
        config.network.init_from, [texts[i] for i, part in enumerate(report.split) if part == "train"]
    )
    reasons = (
        say("settle.transcribe", network=inputs.name, alphabet=len(alphabet.characters)),
        say("settle.epochs", epochs=int(epochs), n=n),
    )
    return ResolvedConfig(config=update_sections(config, updates), reasons=reasons)
