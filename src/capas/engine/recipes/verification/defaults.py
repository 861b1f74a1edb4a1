"""Default values for learning what is the same identity."""

from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.dataset_record import SPLITS
from capas.engine.defaults import resolve_auto, update_sections
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.embedding.defaults import audio_encoder_sections
from capas.engine.recipes.shared.image_facts import image_facts
from capas.engine.recipes.single_output.image.defaults import WIDE_NETWORK_EXAMPLES
from capas.engine.recipes.verification.methods import DEFAULT_METHOD, METHODS
from capas.networks.catalog import find_entry

MAX_SIDE: Final = 64
NETWORK: Final = "compact"
BATCH: Final = 128
SEEN: Final = 200_000  # examples in all, counted each time that they are learnt from


def resolve_defaults(config: Config, report: DatasetReport) -> ResolvedConfig:
    """Resolve every "auto" for learning what is the same identity.

    Raises CapasError ``method_not_for``, ``network_not_for`` or ``pictures_too_small``.
    """
    spec = report.detection.spec
    name = DEFAULT_METHOD if config.method.name == "supervised" else config.method.name
    if name not in METHODS:
        raise CapasError("method_not_for", where="method.name", received=f"verify ({spec.medium})")
    n = max(1, report.split.count("train"))
    batch = int(resolve_auto(config.train.batch_size, max(8, min(BATCH, 1 << max(0, (n // 4).bit_length() - 1)))))
    epochs = float(resolve_auto(config.train.epochs, float(max(10, min(200, round(SEEN / n))))))
    made = _image(config, report) if spec.medium == "image" else audio_encoder_sections(config, report)
    common: dict[str, dict[str, object]] = {
        "train": {"batch_size": batch, "epochs": epochs},
        "optim": {
            "optimizer": resolve_auto(config.optim.optimizer, "adamw"),
            "learning_rate": resolve_auto(config.optim.learning_rate, 2e-3),
            "weight_decay": resolve_auto(config.optim.weight_decay, 0.05),
            "warmup": resolve_auto(config.optim.warmup, 0.2), "ema": resolve_auto(config.optim.ema, 0.98),
        },
    }  # fmt: skip
    resolved = update_sections(config, {**made, **common})
    resolved = resolved.model_copy(update={"method": config.method.model_copy(update={"name": name})})
    counts = {f"n_{side}": report.identities(side) for side in SPLITS}
    reasons = (
        say("verify.method", method=name, network=resolved.network.name),
        say("verify.apart", **counts),
        *(() if counts["n_validation"] else (say("verify.no_validation"),)),
        say("settle.epochs", epochs=int(epochs), n=n),
    )
    return ResolvedConfig(config=resolved, reasons=reasons)


def _image(config: Config, report: DatasetReport) -> dict[str, dict[str, object]]:
    facts = image_facts(report)
    row = find_entry(NETWORK if config.network.name == "auto" else config.network.name)
    width = 0 if row.width is None else row.width
    if row.name == NETWORK and facts.examples < WIDE_NETWORK_EXAMPLES:
        width //= 2
    side = int(resolve_auto(config.data.image_size, max(row.minimum_size, min(MAX_SIDE, facts.side))))
    if side < row.minimum_size:
        raise CapasError(
            "pictures_too_small", where="data.image_size", received=side, network=row.name, least=row.minimum_size
        )
    augment = config.augment
    return {
        "data": {
            "image_size": side, "channels": resolve_auto(config.data.channels, 1 if facts.grey else 3),
            "fit": resolve_auto(config.data.fit, "crop"),
        },
        "network": {
            "name": row.name, "width": resolve_auto(config.network.width, width), "pretrained": False,
            "flip_tta": False,
        },
        "augment": {
            # Mirror images only of photographs: of handwriting and of characters they are something else.
            "crop": resolve_auto(augment.crop, 0.1), "flip": resolve_auto(augment.flip, not facts.grey),
            "colour": resolve_auto(augment.colour, 0.2), "cutout": resolve_auto(augment.cutout, 0.0), "mixup": 0.0,
        },
    }  # fmt: skip
