"""Default values for learning to generate images."""

from collections.abc import Mapping
from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.dataset_record import label_text
from capas.engine.defaults import resolve_auto, update_sections
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.generation.families import FAMILIES, family_named
from capas.engine.recipes.generation.prompts import choose_prompt_encoder
from capas.engine.recipes.shared.image_facts import image_facts

NETWORK: Final = "ddpm"
MIN_EXAMPLES: Final = 32
MAX_SIDE: Final = 64
PATH_LENGTH: Final = 2.0
SEEN: Final = 400_000  # images that are learnt from in all, repeated ones counted
EPOCHS: Final = (5.0, 400.0)
COPIES_BELOW: Final = 1_000  # training images below which networks are known to learn them by heart


def resolve_defaults(config: Config, report: DatasetReport) -> ResolvedConfig:
    """Resolve every "auto".

    Raises CapasError ``network_not_for``, ``method_not_for``, ``too_few_to_generate``, ``side_not_made`` or
    ``captions_not_for``.
    """
    if config.method.name != "supervised":
        raise CapasError("method_not_for", where="method.name", received="generate (image)")
    facts, n = image_facts(report), report.split.count("train")
    if n < MIN_EXAMPLES:
        raise CapasError("too_few_to_generate", where=config.data.source, received=n, least=MIN_EXAMPLES)
    name = str(resolve_auto(config.network.name, NETWORK))
    family = family_named(name)
    side = family.side(min(MAX_SIDE, facts.side))
    if config.data.image_size != "auto":
        side = int(config.data.image_size)
        if family.side(side) != side:
            raise CapasError("side_not_made", where="data.image_size", received=side, network=name,
                             near=family.side(side))  # fmt: skip
    captions, captioned = "words", report.detection.spec.captioned
    if captioned:
        if not family.takes_captions:
            named = ", ".join(sorted(name for name, one in FAMILIES.items() if one.takes_captions))
            raise CapasError("captions_not_for", where="network.name", received=name, names=named)
        captions = str(resolve_auto(config.generation.captions, choose_prompt_encoder(training_captions(report))))
    batch = int(
        resolve_auto(config.train.batch_size, max(16, min(family.max_batch, 1 << max(0, (n // 8).bit_length() - 1))))
    )
    epochs = float(resolve_auto(config.train.epochs, float(round(max(EPOCHS[0], min(EPOCHS[1], SEEN / n))))))
    updates: Mapping[str, Mapping[str, object]] = {
        "data": {
            "image_size": side, "channels": resolve_auto(config.data.channels, 1 if facts.grey else 3),
            "fit": resolve_auto(config.data.fit, "crop"),
        },
        "network": {
            "name": name, "width": resolve_auto(config.network.width, family.width), "pretrained": False,
            "flip_tta": False,
        },
        # Mirror images only of photographs: digits and letters mean others. Whatever else varies the training images
        # would be learnt as something to draw.
        "augment": {
            "crop": 0.0, "colour": 0.0, "cutout": 0.0, "flip": resolve_auto(config.augment.flip, not facts.grey),
        },
        "train": {"batch_size": batch, "epochs": epochs},
        "optim": {
            "optimizer": resolve_auto(config.optim.optimizer, "adamw"),
            "learning_rate": resolve_auto(config.optim.learning_rate, 1e-3),
            "weight_decay": resolve_auto(config.optim.weight_decay, 0.0),
            "warmup": resolve_auto(config.optim.warmup, 0.05), "ema": resolve_auto(config.optim.ema, 0.995),
            "clip": resolve_auto(config.optim.clip, family.clip),
        },
    }  # fmt: skip
    resolved = update_sections(config, updates)
    generation = config.generation.model_copy(
        update={
            "prediction": resolve_auto(config.generation.prediction, "v"),
            "schedule": resolve_auto(config.generation.schedule, "cosine"),
            "captions": captions,
            "path_length": resolve_auto(config.generation.path_length, PATH_LENGTH if name == "stylegan2" else 0.0),
        }
    )
    reasons = [say("generation.network", network=name), say("settle.epochs", epochs=int(epochs), n=n)]
    if captioned:
        reasons.append(say(f"generation.captions_{captions}"))
    if n < COPIES_BELOW:
        reasons.append(say("generation.few", n=n))
    return ResolvedConfig(config=resolved.model_copy(update={"generation": generation}), reasons=tuple(reasons))


def training_captions(report: DatasetReport) -> list[str]:
    """Return what is said of each training image, of data with captions."""
    spec = report.detection.spec
    return [
        label_text(spec, label) for label, split in zip(report.labels, report.split, strict=True) if split == "train"
    ]
