"""Default values for a head on the vectors of a frozen encoder."""

from collections.abc import Mapping
from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.core.number_format import format_decimal
from capas.core.spec import Medium
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config, MethodConfig
from capas.engine.defaults import fill_defaults, resolve_auto
from capas.engine.encoders.hub_encoder import HubEncoder
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.single_output.hub_backbone.audio_reader import hub_audio_preparation
from capas.engine.recipes.single_output.hub_backbone.fine_tuning import EPOCHS
from capas.engine.recipes.single_output.hub_backbone.reference import absolute_hub_name, licence_of
from capas.engine.recipes.single_output.inputs import InputPipeline

# Vectors have a mean square length of 1, so that the curvature of the loss is known: half of what it is stable at.
RATES: Final[Mapping[str, float]] = {"classify": 1.0, "tag": 1.0, "regress": 0.3}
INVERSE_PENALTY: Final = 1.0  # scikit-learn's C of LogisticRegression, for vectors whose numbers have a spread of 1
OFF: Final[Mapping[str, object]] = {
    "crop": 0.0, "flip": False, "rotate": 0.0, "colour": 0.0, "cutout": 0.0, "mixup": 0.0,
}  # fmt: skip


def resolve_hub_defaults(
    config: Config, report: DatasetReport, encoder: HubEncoder, content: InputPipeline[object]
) -> ResolvedConfig:
    """Resolve every "auto" for a head on the vectors of ``encoder``.

    Args:
        config: The configuration as the user gave it.
        report: The report on the dataset.
        encoder: The encoder that ``network.name`` names.
        content: The pipeline of the medium; what it decides of files and their reading is kept.

    Raises:
        CapasError: ``network_without_width``, ``hub_no_augmentation``, ``hub_not_with``, and those of ``content``.
    """
    _refuse_foreign_settings(config)
    requested = config.model_copy(
        update={"network": config.network.model_copy(update={"name": "auto", "pretrained": False, "flip_tta": False})}
    )
    of_medium = content.resolve_defaults(requested, report).config
    n, width = max(1, report.split.count("train")), vector_width(encoder, content.medium)
    batch = max(8, min(64, 1 << max(0, (n // 40).bit_length() - 1)))
    epochs = resolve_auto(config.train.epochs, float(max(10, min(300, round(60_000 / n)))))
    base = of_medium.model_copy(
        update={
            "network": config.network, "train": config.train, "optim": config.optim,
            "augment": of_medium.augment.model_copy(update=dict(OFF)),
        }
    )  # fmt: skip
    if content.medium == "audio":
        own = hub_audio_preparation(encoder)
        audio = base.audio.model_copy(update={"sample_rate": own.rate, "seconds": own.seconds})
        base = base.model_copy(update={"audio": audio})
    tunes = config.optim.backbone_rate > 0 and not report.detection.spec.columns_beside
    if tunes:  # half of the time is for the head, half for fine-tuning
        base = base.model_copy(update={"train": base.train.model_copy(update={"time_s": config.train.time_s / 2})})
    made = fill_defaults(
        base, name=absolute_hub_name(config.network.name), width=0, batch_size=batch, epochs=epochs, optimizer="sgd",
        learning_rate=RATES[report.detection.spec.task], weight_decay=1 / (INVERSE_PENALTY * n * width),
    )  # fmt: skip
    parameters = sum(parameter.numel() for parameter in encoder.model.parameters())
    reasons = (
        say(
            "settle.hub", network=config.network.name, kind=type(encoder.model).__name__, width=width,
            parameters=format_decimal(parameters, 0), licence=licence_of(encoder) or say("hub.no_licence"),
        ),
        *([say("settle.hub_tuning", epochs=EPOCHS)] if tunes else []),
        say("settle.epochs", epochs=int(epochs), n=n),
    )  # fmt: skip
    return ResolvedConfig(config=made, reasons=reasons)


def _refuse_foreign_settings(config: Config) -> None:
    """What a frozen encoder has no use for is refused, rather than left out in silence."""
    network, augment = config.network, config.augment
    if network.width not in ("auto", 0):
        raise CapasError("network_without_width", where="network.width", received=network.width, network=network.name,
                         names="compact, vit")  # fmt: skip
    if network.init_from:
        raise CapasError("hub_not_with", where="network.init_from", received=network.init_from)
    if config.method.name != MethodConfig().name:
        raise CapasError("hub_not_with", where="method.name", received=config.method.name)
    for key in ("sample_rate", "seconds"):  # the model's own
        if (asked := getattr(config.audio, key)) != "auto":
            raise CapasError("hub_not_with", where=f"audio.{key}", received=asked)
    for key in OFF:
        value = getattr(augment, key)
        if value not in ("auto", 0):
            raise CapasError("hub_no_augmentation", where=f"augment.{key}", received=str(value))


def vector_width(encoder: HubEncoder, medium: Medium) -> int:
    """Return the length of the vectors of an encoder, found on one made example."""
    import numpy as np

    examples: Mapping[str, object] = {
        "image": np.zeros((32, 32, 3), np.uint8), "text": "a", "audio": np.zeros(16_000, np.float32),
    }  # fmt: skip
    return int(encoder.encode([encoder.preprocess(examples[medium], medium)]).shape[1])
