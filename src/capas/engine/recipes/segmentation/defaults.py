"""Default values for semantic segmentation."""

from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.image.flip_advice import flip_advice
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.defaults import resolve_auto, update_sections
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.shared.image_facts import image_facts
from capas.networks.vision.efficientnet_weights import lite0_weights_installed

UNET, UNET_LITE0 = "unet", "unet-lite0"
WIDTH: Final = 16
BATCH_SIZE: Final = 8
MAX_SIDE: Final = 256
SIDE_MULTIPLE: Final = 32
# Pictures seen in training by default, all epochs together: about a quarter of an hour on one core.
TRAINING_IMAGES: Final = 6000


def resolve_defaults(config: Config, report: DatasetReport) -> ResolvedConfig:
    """Resolve every "auto" for images with masks. Raises CapasError ``network_not_for`` or ``no_pretrained``."""
    facts = image_facts(report)
    name = config.network.name
    if name not in ("auto", UNET, UNET_LITE0):
        raise CapasError("network_not_for", where="network.name", received=name, names=f"{UNET}, {UNET_LITE0}")
    if config.network.pretrained is True and (
        not lite0_weights_installed() or name == UNET or config.data.channels == 1
    ):
        raise CapasError("no_pretrained", where="network.pretrained", received=name, known=UNET_LITE0)
    transfer = not facts.grey and config.data.channels != 1 and lite0_weights_installed() and config.network.pretrained
    name = (UNET_LITE0 if transfer else UNET) if name == "auto" else name
    size = resolve_auto(config.data.image_size, min(MAX_SIDE, _rounded(facts.side)))
    n = max(1, facts.examples)
    epochs = resolve_auto(config.train.epochs, float(max(5, min(200, round(TRAINING_IMAGES / n)))))
    flips = flip_advice(facts.classes)
    reasons = [
        say("settle.masks", network=name, size=size),
        say("settle.encoder" if transfer and name == UNET_LITE0 else "settle.from_scratch"),
        *([flips.reason] if config.augment.flip == "auto" else []),
        say("settle.epochs", epochs=int(epochs), n=n),
    ]
    updates: dict[str, dict[str, object]] = {
        "data": {"image_size": size, "channels": resolve_auto(config.data.channels, 1 if facts.grey else 3),
                 "fit": "squash"},
        "network": {"name": name, "width": resolve_auto(config.network.width, WIDTH), "flip_tta": False,
                    "pretrained": bool(transfer) and name == UNET_LITE0},
        "augment": {"crop": resolve_auto(config.augment.crop, 0.3),
                    "flip": resolve_auto(config.augment.flip, flips.allowed),
                    "colour": resolve_auto(config.augment.colour, 0.2), "cutout": 0.0},
        "objective": {"class_weights": resolve_auto(config.objective.class_weights, "balanced")},
        "train": {"batch_size": resolve_auto(config.train.batch_size, max(2, min(BATCH_SIZE, n // 8))),
                  "epochs": epochs},
        "optim": {"optimizer": resolve_auto(config.optim.optimizer, "adamw"),
                  "learning_rate": resolve_auto(config.optim.learning_rate, 2e-3),
                  "weight_decay": resolve_auto(config.optim.weight_decay, 1e-2)},
    }  # fmt: skip
    return ResolvedConfig(config=update_sections(config, updates), reasons=tuple(reasons))


def _rounded(side: float) -> int:
    return max(SIDE_MULTIPLE, round(side / SIDE_MULTIPLE) * SIDE_MULTIPLE)


def target_image_size(long: int, height: float, width: float) -> tuple[int, int]:
    """Return the height and width that all images are resized to: ``long`` and, in the aspect ratio of the median
    image, the shorter side, in multiples of 32.
    """
    short = min(long, _rounded(long * min(height, width) / max(height, width)))
    return (short, long) if width >= height else (long, short)
