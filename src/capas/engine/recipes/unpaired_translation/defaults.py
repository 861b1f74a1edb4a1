"""Default values for translating between two collections."""

from collections.abc import Mapping
from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.inspect.report import DatasetReport
from capas.data.naming import SplitName
from capas.engine.config import Config
from capas.engine.defaults import resolve_auto, update_sections
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.shared.image_facts import image_facts
from capas.engine.recipes.unpaired_translation.settings import NETWORK
from capas.networks.generative.cyclegan import config_for_side, cyclegan_side

MIN_EXAMPLES: Final[Mapping[SplitName, int]] = {"train": 32, "test": 4}  # of each collection
MAX_SIDE: Final = 64
WIDTH: Final = 24
BATCH: Final = 4  # the paper has 1: on two cores that learns from fewer than half as many pictures in the same time
SEEN: Final = 20_000  # images of each collection that are learnt from in all, repeated ones counted
EPOCHS: Final = (2.0, 400.0)


def resolve_defaults(config: Config, report: DatasetReport) -> ResolvedConfig:
    """Resolve every "auto".

    Raises CapasError ``network_not_for``, ``method_not_for``, ``too_few_to_translate`` or ``side_not_made``.
    """
    if config.method.name != "supervised":
        raise CapasError("method_not_for", where="method.name", received="transform (image)")
    if config.network.name not in ("auto", NETWORK):
        raise CapasError("network_not_for", where="network.name", received=config.network.name, names=NETWORK)
    check_both_collections(report)
    facts = image_facts(report)
    side = cyclegan_side(min(MAX_SIDE, facts.side))
    if config.data.image_size != "auto":
        side = int(config.data.image_size)
        if cyclegan_side(side) != side:
            near = cyclegan_side(side)
            raise CapasError("side_not_made", where="data.image_size", received=side, network=NETWORK, near=near)
    channels = int(resolve_auto(config.data.channels, 1 if facts.grey else 3))
    width = int(resolve_auto(config.network.width, WIDTH))
    counts = list(report.per_class("train").values())
    n = max(counts)
    epochs = float(resolve_auto(config.train.epochs, float(round(max(EPOCHS[0], min(EPOCHS[1], SEEN / n))))))
    blocks = int(resolve_auto(config.transform.blocks, config_for_side(side, channels, width).blocks))
    updates: Mapping[str, Mapping[str, object]] = {
        "data": {"image_size": side, "channels": channels, "fit": resolve_auto(config.data.fit, "crop")},
        "network": {"name": NETWORK, "width": width, "pretrained": False, "flip_tta": False},
        "transform": {"kind": "unpaired", "blocks": blocks},
        # Mirror images only of photographs: digits and letters mean others. Whatever else varies the training images
        # would be learnt as belonging to the collection.
        "augment": {
            "crop": 0.0, "colour": 0.0, "cutout": 0.0, "flip": resolve_auto(config.augment.flip, not facts.grey),
        },
        "train": {"batch_size": resolve_auto(config.train.batch_size, BATCH), "epochs": epochs},
        "optim": {
            "optimizer": resolve_auto(config.optim.optimizer, "adamw"),
            "learning_rate": resolve_auto(config.optim.learning_rate, 2e-4),
            "weight_decay": resolve_auto(config.optim.weight_decay, 0.0),
            "warmup": resolve_auto(config.optim.warmup, 0.0), "ema": resolve_auto(config.optim.ema, 0.995),
            "clip": resolve_auto(config.optim.clip, 0.0),
        },
    }  # fmt: skip
    reasons = (
        say("translators.network", network=NETWORK, size=side, blocks=blocks),
        say("settle.epochs", epochs=int(epochs), n=n),
    )
    return ResolvedConfig(config=update_sections(config, updates), reasons=reasons)


def check_both_collections(report: DatasetReport) -> None:
    """Raise CapasError ``too_few_to_translate`` where one collection has too few images to learn from or to test."""
    for split, least in MIN_EXAMPLES.items():
        counts = report.per_class(split)
        name, count = min(counts.items(), key=lambda pair: pair[1])
        if count < least:
            raise CapasError(
                "too_few_to_translate", where=report.source.root, received=count, name=name, least=least,
                split=say(f"splits.{split}"),
            )  # fmt: skip
