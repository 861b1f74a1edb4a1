"""Segmentation networks for training and for restored bundles."""

from typing import Final

import torch
from torch import nn

from capas.core.rng import derive_seed
from capas.engine.config import Config
from capas.engine.recipes.segmentation.defaults import UNET
from capas.networks.vision.unet import unet, unet_lite0

PREDICTION_BATCH: Final = 16


def build_network(config: Config, num_classes: int, *, fresh: bool = True) -> nn.Module:
    """Build the configured network with weights drawn from the run's seed; the encoder is pretrained where so
    configured, unless ``fresh`` is False.
    """
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    name, channels, width = config.network.name, int(config.data.channels), int(config.network.width)
    return new_segmentation_network(
        name, channels, num_classes, width, pretrained=bool(config.network.pretrained) and fresh
    )


def new_segmentation_network(
    name: str, channels: int, num_classes: int, width: int, *, pretrained: bool = False
) -> nn.Module:
    """Build a U-Net, plain or on EfficientNet-Lite0, in training mode."""
    if name == UNET:
        return unet(in_channels=channels, out_channels=num_classes, width=width).train()
    return unet_lite0(out_channels=num_classes, width=width, in_channels=channels, pretrained=pretrained).train()
