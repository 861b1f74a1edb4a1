"""Every "auto" of a configuration for pictures decided from the data, with the reason for each decision that matters.

The rules are few and stated here. What the user set is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from capas.core.errors import CapasError
from capas.core.messages import say
from capas.data.flips import flip_advice
from capas.engine.config import (
    AugmentConfig,
    Config,
    DataConfig,
    NetworkConfig,
    ObjectiveConfig,
    OptimConfig,
    TrainConfig,
)
from capas.engine.recipe import Settled
from capas.networks.catalog import NetworkEntry, entry
from capas.networks.efficientnet_weights import weights_installed

PRETRAINED = "efficientnet-lite0"
FEW_EXAMPLES = 3000
MANY_EXAMPLES = 10_000
SMALL_SIDE = 64
WARMUP, EMA = 0.2, 0.98
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the rules look at: ``examples`` for training, median picture sides in pixels, whether all are grey."""

    examples: int
    classes: tuple[str, ...]
    median_width: int
    median_height: int
    grey: bool
    measures: bool = False  # a number is wanted, which brightness or what is cut off may tell

    @property
    def side(self) -> int:
        """The longer median side."""
        return max(self.median_width, self.median_height)


def settle(config: Config, facts: Facts) -> Settled:
    """Decide what ``config`` leaves open. Raises CapasError on an unknown network or pictures too small for it."""
    reasons: list[str] = []
    network = _network(config.network, facts, reasons)
    data = _data(config.data, network, facts, reasons)
    _refuse_too_small(network.name, int(data.image_size))
    train = _train(config.train, network, facts, reasons)
    augment = _augment(config.augment, facts, reasons)
    network = network.model_copy(update={"mirrored": chosen(network.mirrored, bool(augment.flip))})
    return Settled(
        config=config.model_copy(
            update={
                "data": data,
                "network": network,
                "augment": augment,
                "objective": without_weights(config.objective),
                "optim": _optim(config.optim, network, int(train.batch_size)),
                "train": train,
            }
        ),
        reasons=tuple(reasons),
    )


def chosen(value: T | str, otherwise: T) -> T:
    """``value`` where the user set it, ``otherwise`` where it is "auto"."""
    return otherwise if value == "auto" else value  # type: ignore[return-value]


def without_weights(objective: ObjectiveConfig) -> ObjectiveConfig:
    """All classes weigh the same, unless the user wants it otherwise."""
    return objective.model_copy(update={"class_weights": chosen(objective.class_weights, "none")})


def with_sections(config: Config, updates: Mapping[str, Mapping[str, object]]) -> Config:
    """``config`` with these values of its sections, and the usual ones for warming up, averaging and clipping."""
    optim = config.optim
    usual = {
        "warmup": chosen(optim.warmup, WARMUP),
        "ema": chosen(optim.ema, EMA),
        "clip": chosen(optim.clip, 0.0),
    }
    sections = {"data": config.data, "network": config.network, "augment": config.augment, "train": config.train,
                "optim": optim.model_copy(update=usual), "sound": config.sound, "transform": config.transform,
                "text": config.text, "objective": without_weights(config.objective)}  # fmt: skip
    return config.model_copy(
        update={name: section.model_copy(update=dict(updates.get(name, {}))) for name, section in sections.items()}
    )


def filled(
    config: Config,
    *,
    name: str,
    width: int,
    batch_size: int,
    epochs: float,
    learning_rate: float,
    optimizer: Literal["sgd", "adamw"] = "adamw",
    weight_decay: float = 1e-2,
    warmup: float = WARMUP,
    ema: float = EMA,
    clip: float = 0.0,
) -> Config:
    """``config`` with these values wherever it says "auto", for a network that learns from scratch."""
    network, train, optim = config.network, config.train, config.optim
    return with_sections(
        config,
        {
            "network": {"name": name, "width": chosen(network.width, width), "pretrained": False, "mirrored": False},
            "train": {
                "batch_size": chosen(train.batch_size, batch_size), "epochs": chosen(train.epochs, epochs),
            },
            "optim": {
                "optimizer": chosen(optim.optimizer, optimizer),
                "learning_rate": chosen(optim.learning_rate, learning_rate),
                "weight_decay": chosen(optim.weight_decay, weight_decay),
                "warmup": chosen(optim.warmup, warmup),
                "ema": chosen(optim.ema, ema),
                "clip": chosen(optim.clip, clip),
            },
        },
    )  # fmt: skip


def _network(wanted: NetworkConfig, facts: Facts, reasons: list[str]) -> NetworkConfig:
    photographs = not facts.grey and facts.side >= 48 and facts.examples <= FEW_EXAMPLES
    name, pretrained = wanted.name, wanted.pretrained
    if name == "auto":
        transfer = pretrained is True or (pretrained == "auto" and photographs and weights_installed())
        name = PRETRAINED if transfer else "compact"
        if transfer:
            reasons.append(say("settle.transfer", n=facts.examples, network=name))
        elif photographs and pretrained == "auto":
            reasons.append(say("settle.no_weights"))
        else:
            reasons.append(say("settle.compact", network=name))
    row = entry(name)
    return wanted.model_copy(
        update={
            "name": name,
            "pretrained": chosen(pretrained, name == PRETRAINED and not facts.grey and weights_installed()),
            "width": chosen(wanted.width, _width(row, facts)),
        }
    )


def _width(row: NetworkEntry, facts: Facts) -> int:
    if row.width is None:
        return 0
    # Half the width learns a few thousand pictures as well, three times as fast (99 % of MNIST-5k).
    return row.width // 2 if facts.examples < MANY_EXAMPLES else row.width


def _data(wanted: DataConfig, network: NetworkConfig, facts: Facts, reasons: list[str]) -> DataConfig:
    row = entry(network.name)
    if network.pretrained:
        side = 224 if facts.side >= 160 else 128
    elif row.image_size >= 128:
        side = min(row.image_size, max(row.minimum_size, facts.side))
    else:
        side = max(row.minimum_size, min(SMALL_SIDE, facts.side))
    size = chosen(wanted.image_size, side)
    if facts.side > size:
        reasons.append(say("settle.smaller", size=size, side=facts.side))
    square = abs(facts.median_width - facts.median_height) <= 0.25 * facts.side
    return wanted.model_copy(
        update={
            "image_size": size,
            "fit": chosen(wanted.fit, "squash" if square else "crop"),
            "channels": chosen(wanted.channels, 3 if network.pretrained or not facts.grey else 1),
        }
    )


def _refuse_too_small(network: str, size: int) -> None:
    least = entry(network).minimum_size
    if size < least:
        raise CapasError("pictures_too_small", where="data.image_size", received=size, network=network, least=least)


def _augment(wanted: AugmentConfig, facts: Facts, reasons: list[str]) -> AugmentConfig:
    if facts.measures:
        reasons.append(say("settle.measures"))
        return wanted.model_copy(
            update={
                "crop": chosen(wanted.crop, 0.05),
                "flip": chosen(wanted.flip, False),
                "colour": chosen(wanted.colour, 0.0),
                "cutout": chosen(wanted.cutout, 0.0),
            }
        )
    flip = flip_advice(facts.classes)
    if wanted.flip == "auto":
        reasons.append(flip.reason)
    return wanted.model_copy(
        update={
            "crop": chosen(wanted.crop, 0.08),
            "flip": chosen(wanted.flip, flip.allowed),
            "colour": chosen(wanted.colour, 0.0 if facts.grey else 0.2),
            "cutout": chosen(wanted.cutout, 0.0 if facts.side < 16 else 0.25),
        }
    )


def _train(wanted: TrainConfig, network: NetworkConfig, facts: Facts, reasons: list[str]) -> TrainConfig:
    n = max(1, facts.examples)
    batch, epochs = usual_length(network.pretrained is True, n)
    if wanted.epochs == "auto" and not wanted.time_s:
        reasons.append(say("settle.epochs", epochs=int(epochs), n=n))
    return wanted.model_copy(
        update={"batch_size": chosen(wanted.batch_size, batch), "epochs": chosen(wanted.epochs, epochs)}
    )


def usual_length(pretrained: bool, examples: int) -> tuple[int, float]:
    """Batch size and epochs for so many training pictures (1 or more)."""
    batch = max(16, min(64 if pretrained else 128, 1 << max(0, (examples // 40).bit_length() - 1)))
    low, high = (8, 15) if pretrained else (10, 60)
    return batch, float(max(low, min(high, round((20_000 if pretrained else 80_000) / examples))))


def _optim(wanted: OptimConfig, network: NetworkConfig, batch_size: int) -> OptimConfig:
    # Residual networks from scratch learn best by SGD with a rate in proportion to the batch (Goyal et al. 2017);
    # pretrained ones and those without normalisation are safer with AdamW.
    normalised: Sequence[str] = ("compact", "resnet", "plain", "googlenet", "efficientnet")
    sgd = network.name.startswith(tuple(normalised)) and not network.pretrained
    optimizer = chosen(wanted.optimizer, "sgd" if sgd else "adamw")
    rate = 0.3 * batch_size / 256 if optimizer == "sgd" else 2e-3
    return wanted.model_copy(
        update={
            "optimizer": optimizer,
            "learning_rate": chosen(wanted.learning_rate, rate),
            "weight_decay": chosen(wanted.weight_decay, 5e-4 if optimizer == "sgd" else 1e-2),
            "warmup": chosen(wanted.warmup, WARMUP),
            "ema": chosen(wanted.ema, EMA),
            "clip": chosen(wanted.clip, 0.0),
        }
    )
