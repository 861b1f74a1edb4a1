"""Default values for image problems: network, image size, augmentation, optimizer."""

from collections.abc import Sequence

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.image.flip_advice import flip_advice
from capas.engine.config import (
    AugmentConfig,
    Config,
    DataConfig,
    NetworkConfig,
    OptimConfig,
    TrainConfig,
)
from capas.engine.defaults import EMA, WARMUP, resolve_auto, resolve_class_weights
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes.shared.image_facts import ImageFacts
from capas.engine.recipes.shared.image_store import initial_preparation
from capas.engine.recipes.shared.initial_weights import initial_bundle
from capas.networks.catalog import NETWORKS, NetworkEntry, find_entry
from capas.networks.vision.efficientnet_weights import lite0_weights_installed

PRETRAINED_NETWORK = "efficientnet-lite0"
# Wider, or longer, the shared latent learns the class after all, and what is drawn stays what it was (docs/log.md).
VAE_WIDTH, VAE_SEEN, VAE_EPOCHS = 16, 40_000, (12, 60)
VAE, VAE_NETWORK = "vae", "class-conditioned-vae"  # the method, and the network that is learnt by it
MAX_TRANSFER_EXAMPLES = 3000
WIDE_NETWORK_EXAMPLES = 10_000
MAX_DEFAULT_SIDE = 64


def resolve_defaults(config: Config, facts: ImageFacts) -> ResolvedConfig:
    """Resolve every "auto" for images. Raises CapasError on an unknown network or images too small for it."""
    reasons: list[str] = []
    config = _with_vae(config)
    if config.network.init_from:
        config = _as_before(config, reasons)
    network = _network(config.network, facts, reasons)
    data = _data(config.data, network, facts, reasons)
    _refuse_too_small(network.name, int(data.image_size))
    train = _train(config.train, network, facts, reasons)
    augment = _augment(config.augment, facts, reasons)
    network = network.model_copy(update={"flip_tta": resolve_auto(network.flip_tta, bool(augment.flip))})
    return ResolvedConfig(
        config=config.model_copy(
            update={
                "data": data,
                "network": network,
                "augment": augment,
                "objective": resolve_class_weights(config.objective),
                "optim": _optim(config.optim, network, int(train.batch_size)),
                "train": train,
            }
        ),
        reasons=tuple(reasons),
    )


def _with_vae(config: Config) -> Config:
    """The configuration with the method and the network of a VAE where either is asked for: one is learnt by the other.

    Nothing is erased or mirrored in its images: it would learn to make such.

    Raises CapasError ``network_not_for`` and ``vae_without``.
    """
    method, network, augment = config.method, config.network, config.augment
    if VAE not in (method.name, {VAE_NETWORK: VAE}.get(network.name)):
        return config
    if network.name not in ("auto", VAE_NETWORK):
        raise CapasError("network_not_for", where="network.name", received=network.name, names=VAE_NETWORK)
    if method.name not in ("supervised", VAE):
        raise CapasError("method_not_for", where="method.name", received=f"{method.name} ({VAE_NETWORK})")
    for key, value in (("flip_tta", network.flip_tta is True), ("init_from", network.init_from),
                       ("pretrained", network.pretrained is True)):  # fmt: skip
        if value:
            raise CapasError("vae_without", where=f"network.{key}", received=value)
    return config.model_copy(
        update={
            "method": method.model_copy(update={"name": VAE}),
            "network": network.model_copy(
                update={
                    "name": VAE_NETWORK, "pretrained": False, "flip_tta": False,
                    "width": resolve_auto(network.width, VAE_WIDTH),
                }
            ),
            "augment": augment.model_copy(
                update={
                    "cutout": resolve_auto(augment.cutout, 0.0), "flip": resolve_auto(augment.flip, False),
                    "crop": resolve_auto(augment.crop, 0.04),
                }
            ),
        }
    )  # fmt: skip


def _as_before(config: Config, reasons: list[str]) -> Config:
    """The configuration with the network and the image size of the run that it starts from.

    Raises CapasError ``init_from_fixed`` where something else was asked for, ``init_from_no_classifier`` where the run
    has a network that no classifier is made of.
    """
    where = config.network.init_from
    bundle, prepared = initial_bundle(where, "image"), initial_preparation(where)
    if bundle.card.network.name not in [row.name for row in NETWORKS]:
        raise CapasError("init_from_no_classifier", where=where, received=bundle.card.network.name)
    width = bundle.card.network.settings.get("width")
    fixed: dict[str, dict[str, object]] = {
        "network": {"name": bundle.card.network.name, "width": int(width or 0), "pretrained": False},
        "data": {"image_size": prepared.width, "channels": prepared.channels, "fit": prepared.fit},
    }
    for section, values in fixed.items():
        asked = getattr(config, section)
        for key, value in values.items():
            own = getattr(asked, key)
            if own not in ("auto", value):
                raise CapasError("init_from_fixed", where=f"{section}.{key}", received=own, fixed=str(value), run=where)
    reasons.append(say("settle.init_from", run=where, network=bundle.card.network.name))
    updated = {section: getattr(config, section).model_copy(update=values) for section, values in fixed.items()}
    return config.model_copy(update=updated)


def _network(requested: NetworkConfig, facts: ImageFacts, reasons: list[str]) -> NetworkConfig:
    photographs = not facts.grey and facts.side >= 48 and facts.examples <= MAX_TRANSFER_EXAMPLES
    name, pretrained = requested.name, requested.pretrained
    if name == "auto":
        transfer = pretrained is True or (pretrained == "auto" and photographs and lite0_weights_installed())
        name = PRETRAINED_NETWORK if transfer else "compact"
        if transfer:
            reasons.append(say("settle.transfer", n=facts.examples, network=name))
        elif photographs and pretrained == "auto":
            reasons.append(say("settle.no_weights"))
        else:
            reasons.append(say("settle.compact", network=name))
    row = find_entry(name)
    return requested.model_copy(
        update={
            "name": name,
            "pretrained": resolve_auto(
                pretrained, name == PRETRAINED_NETWORK and not facts.grey and lite0_weights_installed()
            ),
            "width": resolve_auto(requested.width, _width(row, facts)),
        }
    )


def _width(row: NetworkEntry, facts: ImageFacts) -> int:
    if row.width is None:
        return 0
    # Half the width learns a few thousand pictures as well, three times as fast (99 % of MNIST-5k).
    return row.width // 2 if facts.examples < WIDE_NETWORK_EXAMPLES else row.width


def _data(requested: DataConfig, network: NetworkConfig, facts: ImageFacts, reasons: list[str]) -> DataConfig:
    row = find_entry(network.name)
    if network.pretrained:
        side = 224 if facts.side >= 160 else 128
    elif row.image_size >= 128:
        side = min(row.image_size, max(row.minimum_size, facts.side))
    else:
        side = max(row.minimum_size, min(MAX_DEFAULT_SIDE, facts.side))
    size = resolve_auto(requested.image_size, side)
    if facts.side > size:
        reasons.append(say("settle.smaller", size=size, side=facts.side))
    square = abs(facts.median_width - facts.median_height) <= 0.25 * facts.side
    return requested.model_copy(
        update={
            "image_size": size,
            "fit": resolve_auto(requested.fit, "squash" if square else "crop"),
            "channels": resolve_auto(requested.channels, 3 if network.pretrained or not facts.grey else 1),
        }
    )


def _refuse_too_small(network: str, size: int) -> None:
    least = find_entry(network).minimum_size
    if size < least:
        raise CapasError("pictures_too_small", where="data.image_size", received=size, network=network, least=least)


def _augment(requested: AugmentConfig, facts: ImageFacts, reasons: list[str]) -> AugmentConfig:
    if facts.is_regression:
        reasons.append(say("settle.measures"))
        return requested.model_copy(
            update={
                "crop": resolve_auto(requested.crop, 0.05),
                "flip": resolve_auto(requested.flip, False),
                "colour": resolve_auto(requested.colour, 0.0),
                "cutout": resolve_auto(requested.cutout, 0.0),
            }
        )
    flip = flip_advice(facts.classes)
    if requested.flip == "auto":
        reasons.append(flip.reason)
    return requested.model_copy(
        update={
            "crop": resolve_auto(requested.crop, 0.08),
            "flip": resolve_auto(requested.flip, flip.allowed),
            "colour": resolve_auto(requested.colour, 0.0 if facts.grey else 0.2),
            "cutout": resolve_auto(requested.cutout, 0.0 if facts.side < 16 else 0.25),
        }
    )


def _train(requested: TrainConfig, network: NetworkConfig, facts: ImageFacts, reasons: list[str]) -> TrainConfig:
    n = max(1, facts.examples)
    batch, epochs = default_batch_and_epochs(network.pretrained is True, n)
    if network.name == VAE_NETWORK:
        epochs = float(max(VAE_EPOCHS[0], min(VAE_EPOCHS[1], round(VAE_SEEN / n))))
    if requested.epochs == "auto" and not requested.time_s:
        reasons.append(say("settle.epochs", epochs=int(epochs), n=n))
    return requested.model_copy(
        update={
            "batch_size": resolve_auto(requested.batch_size, batch),
            "epochs": resolve_auto(requested.epochs, epochs),
        }
    )


def default_batch_and_epochs(pretrained: bool, examples: int) -> tuple[int, float]:
    """Return batch size and epochs for so many training images (1 or more)."""
    batch = max(16, min(64 if pretrained else 128, 1 << max(0, (examples // 40).bit_length() - 1)))
    low, high = (8, 15) if pretrained else (10, 60)
    return batch, float(max(low, min(high, round((20_000 if pretrained else 80_000) / examples))))


def _optim(requested: OptimConfig, network: NetworkConfig, batch_size: int) -> OptimConfig:
    # Residual networks from scratch learn best by SGD with a rate in proportion to the batch (Goyal et al. 2017);
    # pretrained ones and those without normalisation are safer with AdamW.
    normalised: Sequence[str] = ("compact", "resnet", "plain", "googlenet", "efficientnet")
    sgd = network.name.startswith(tuple(normalised)) and not network.pretrained and not network.init_from
    optimizer = resolve_auto(requested.optimizer, "sgd" if sgd else "adamw")
    rate = 0.3 * batch_size / 256 if optimizer == "sgd" else 2e-3
    return requested.model_copy(
        update={
            "optimizer": optimizer,
            "learning_rate": resolve_auto(requested.learning_rate, rate),
            "weight_decay": resolve_auto(requested.weight_decay, 5e-4 if optimizer == "sgd" else 1e-2),
            "warmup": resolve_auto(requested.warmup, WARMUP),
            "ema": resolve_auto(requested.ema, EMA),
            "clip": resolve_auto(requested.clip, 0.0),
        }
    )
