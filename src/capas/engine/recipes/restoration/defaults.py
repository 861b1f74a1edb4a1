"""Default values for image-to-image problems."""

from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.image.degradations import (
    DEGRADATIONS,
    DegradationKind,
)
from capas.data.image.io import ImageCollection
from capas.data.inspect.report import DatasetReport
from capas.data.inspect.target_checks import most_common_ratio, upscaling_factor
from capas.engine.config import Config
from capas.engine.defaults import resolve_auto, update_sections
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.restoration.restorer import Restorer
from capas.engine.recipes.shared.image_facts import image_facts

TRAINING_PATCHES: Final = 16_000
PATCHES_PER_EPOCH: Final = 1_600
WIDTHS: Final = {"dncnn": 32, "super-resolution": 32, "colouriser": 16}


def resolve_defaults(config: Config, report: DatasetReport) -> ResolvedConfig:
    """Resolve every "auto" for an image-to-image problem.

    Raises CapasError ``transform_grey``, ``transform_kind_of_pairs``, ``transform_kind_missing``,
    ``transform_no_pairs`` or ``network_not_for``.
    """
    facts = image_facts(report)
    kind = _kind(config, report)
    channels = int(resolve_auto(config.data.channels, 1 if facts.grey else 3))
    if kind == "colourise" and (facts.grey or channels == 1):
        raise CapasError("transform_grey", where=report.source.root)
    factor = config.transform.factor
    scale = (
        _scale_of_pairs(report) if kind == "pairs" else int(resolve_auto(factor, 2)) if kind == "super-resolve" else 1
    )
    name = Restorer(kind=kind, channels=channels, scale=scale, width=1).name
    if config.network.name not in ("auto", name):
        raise CapasError("network_not_for", where="network.name", received=config.network.name, names=name)
    n = max(1, facts.examples)
    size = resolve_auto(config.data.image_size, 128 if kind == "colourise" else 96)
    epochs = resolve_auto(config.train.epochs, float(max(5, round(TRAINING_PATCHES / (n * patches_per_picture(n))))))
    updates: dict[str, dict[str, object]] = {
        "data": {"image_size": size, "channels": channels},
        "network": {"name": name, "width": resolve_auto(config.network.width, WIDTHS[name]), "pretrained": False,
                    "flip_tta": False},
        "transform": {"kind": kind, "factor": scale if scale > 1 else factor},
        "train": {"batch_size": resolve_auto(config.train.batch_size, 16), "epochs": epochs},
        "optim": {"optimizer": resolve_auto(config.optim.optimizer, "adamw"),
                  "learning_rate": resolve_auto(config.optim.learning_rate, 1e-3),
                  "weight_decay": resolve_auto(config.optim.weight_decay, 1e-4)},
    }  # fmt: skip
    reasons = (say("settle.transform", network=name, size=size), say("settle.epochs", epochs=int(epochs), n=n))
    return ResolvedConfig(config=update_sections(config, updates), reasons=reasons)


def _kind(config: Config, report: DatasetReport) -> DegradationKind:
    kind, paired, kinds = config.transform.kind, report.source.targets is not None, ", ".join(DEGRADATIONS)
    if paired and kind not in ("auto", "pairs"):
        raise CapasError("transform_kind_of_pairs", where="transform.kind", received=kind)
    if paired:
        return "pairs"
    if kind == "auto":
        raise CapasError("transform_kind_missing", where="transform.kind", kinds=kinds)
    if kind == "pairs":
        raise CapasError("transform_no_pairs", where=report.source.root, kinds=kinds)
    if kind == "unpaired":
        raise CapasError("transform_no_collections", where=report.source.root, received=len(report.source))
    return kind


def _scale_of_pairs(report: DatasetReport) -> int:
    usable = [i for i, good in enumerate(report.usable) if good]
    assert isinstance(report.inputs, ImageCollection) and isinstance(report.source.targets, ImageCollection)
    target = report.source.targets
    return most_common_ratio([upscaling_factor(report.inputs, target, i) for i in usable]) or 1


def patches_per_picture(examples: int) -> int:
    """Return the number of patches per image and epoch, 1..64: the fewer images, the more."""
    return max(1, min(64, round(PATCHES_PER_EPOCH / examples)))
