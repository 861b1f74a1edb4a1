"""Tabular networks for training and for restored bundles."""

import torch
from torch import nn

from capas.core.rng import derive_seed
from capas.data.tabular.preprocess import TabularPreprocessing
from capas.engine.config import Config
from capas.engine.recipes.shared.forward import DataclassInputAdapter
from capas.engine.recipes.single_output.tabular.defaults import BLOCKS
from capas.networks.tabular.tabular_resnet import TabularResNet, TabularResNetConfig


def tabular_network(network: nn.Module) -> TabularResNet:
    """Return the TabularResNet inside its input adapter."""
    assert isinstance(network, DataclassInputAdapter) and isinstance(network.network, TabularResNet)
    return network.network


def build_network(
    config: Config, preparation: TabularPreprocessing, num_outputs: int, *, blended: bool = False
) -> nn.Module:
    """Build the configured network with weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    return new_tabular_network(preparation, num_outputs, int(config.network.width), blended=blended).train()


def new_tabular_network(
    preparation: TabularPreprocessing, num_outputs: int, width: int, *, blended: bool = False
) -> nn.Module:
    shape = TabularResNetConfig(
        numbers=preparation.numbers, categories=preparation.categories, outputs=num_outputs, width=width,
        blocks=BLOCKS, blended=blended,
    )  # fmt: skip
    return DataclassInputAdapter(TabularResNet(shape))
