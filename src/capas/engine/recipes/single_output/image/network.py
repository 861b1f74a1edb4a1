"""Image networks of the catalogue for training, with or without pretrained weights."""

import torch
from torch import nn

from capas.core.errors import CapasError
from capas.core.rng import derive_seed
from capas.core.spec import OutputKind
from capas.engine.config import Config
from capas.engine.recipes.shared.initial_weights import initial_bundle, load_initial_weights
from capas.networks.catalog import create_network as build_from_catalog
from capas.networks.catalog import find_entry
from capas.networks.vision.efficientnet_weights import pretrained_lite0
from capas.networks.vision.flip_tta import FlipTTA


def build_network(config: Config, *, num_classes: int, kind: OutputKind, fresh: bool = True) -> nn.Module:
    """Build the configured network in training mode, with weights drawn from the run's seed.

    With ``fresh`` False pretrained weights are left out, because others will be loaded over them. Raises CapasError
    ``no_pretrained``.
    """
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    network = _single_network(config, num_classes=num_classes, fresh=fresh)
    return (FlipTTA(network, kind) if config.network.flip_tta is True else network).train()


def _single_network(config: Config, *, num_classes: int, fresh: bool) -> nn.Module:
    name, size, channels = config.network.name, int(config.data.image_size), int(config.data.channels)
    if config.network.pretrained and fresh:
        if name != "efficientnet-lite0":
            raise CapasError("no_pretrained", where="network.pretrained", received=name, known="efficientnet-lite0")
        return _pretrained(num_classes)
    width = int(config.network.width) or None
    network = build_from_catalog(name, in_channels=channels, num_classes=num_classes, image_size=size, width=width)
    if config.network.init_from and fresh:
        bundle = initial_bundle(config.network.init_from, "image")
        load_initial_weights(network, bundle.tensors, head=find_entry(name).head, where=config.network.init_from)
    return network


def _pretrained(num_classes: int) -> nn.Module:
    """The pretrained network with a new head initialised to zero: every class equally likely, so that the first steps
    do not destroy what was learnt. No stochastic depth: with few images there is little time to make up for it.
    """
    network = pretrained_lite0(num_classes=num_classes, stochastic_depth=0.0)
    head = network.get_submodule(find_entry("efficientnet-lite0").head)
    for parameter in head.parameters():
        nn.init.zeros_(parameter)
    return network
