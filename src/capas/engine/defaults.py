"""Default values for configuration keys that are "auto", shared by the recipes. What the user set is kept."""

from collections.abc import Mapping
from typing import Literal, TypeVar

from capas.engine.config import (
    Config,
    ObjectiveConfig,
)

WARMUP, EMA = 0.2, 0.98
T = TypeVar("T")


def resolve_auto(value: T | str, default: T) -> T:
    """Return ``default`` where ``value`` is "auto", else ``value``."""
    return default if value == "auto" else value  # type: ignore[return-value]


def resolve_class_weights(objective: ObjectiveConfig) -> ObjectiveConfig:
    """Resolve ``class_weights`` to "none" where it is "auto"."""
    return objective.model_copy(update={"class_weights": resolve_auto(objective.class_weights, "none")})


def update_sections(config: Config, updates: Mapping[str, Mapping[str, object]]) -> Config:
    """Return ``config`` with updated sections and with the common defaults of warm-up, EMA, clipping and class weights.

    Args:
        config: The configuration.
        updates: New values by section and key.
    """
    optim = config.optim
    usual = {
        "warmup": resolve_auto(optim.warmup, WARMUP),
        "ema": resolve_auto(optim.ema, EMA),
        "clip": resolve_auto(optim.clip, 0.0),
    }
    sections = {"data": config.data, "network": config.network, "augment": config.augment, "train": config.train,
                "optim": optim.model_copy(update=usual), "audio": config.audio, "transform": config.transform,
                "text": config.text, "objective": resolve_class_weights(config.objective)}  # fmt: skip
    return config.model_copy(
        update={name: section.model_copy(update=dict(updates.get(name, {}))) for name, section in sections.items()}
    )


def fill_defaults(
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
    """Return ``config`` with these values wherever it says "auto", for a network trained from scratch.

    ``name`` is always set; pretrained weights and flip averaging are switched off. ``batch_size`` counts examples,
    ``learning_rate`` is the peak of the schedule, ``warmup`` a share of the steps, ``ema`` the decay per step, ``clip``
    the largest gradient norm (0: none).
    """
    network, train, optim = config.network, config.train, config.optim
    return update_sections(
        config,
        {
            "network": {
                "name": name, "width": resolve_auto(network.width, width), "pretrained": False, "flip_tta": False,
            },
            "train": {
                "batch_size": resolve_auto(train.batch_size, batch_size), "epochs": resolve_auto(train.epochs, epochs),
            },
            "optim": {
                "optimizer": resolve_auto(optim.optimizer, optimizer),
                "learning_rate": resolve_auto(optim.learning_rate, learning_rate),
                "weight_decay": resolve_auto(optim.weight_decay, weight_decay),
                "warmup": resolve_auto(optim.warmup, warmup),
                "ema": resolve_auto(optim.ema, ema),
                "clip": resolve_auto(optim.clip, clip),
            },
        },
    )  # fmt: skip
