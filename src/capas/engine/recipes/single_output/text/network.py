"""Text networks for training."""

import torch
from torch import nn

from capas.core.rng import derive_seed
from capas.engine.config import Config
from capas.engine.recipes.shared.forward import DataclassInputAdapter
from capas.engine.recipes.single_output.text.encodings import (
    TextEncoding,
)


def build_network(config: Config, encoding: TextEncoding, num_outputs: int) -> nn.Module:
    """Build the configured network with weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    return DataclassInputAdapter(encoding.network(config.network.name, num_outputs, int(config.network.width))).train()
