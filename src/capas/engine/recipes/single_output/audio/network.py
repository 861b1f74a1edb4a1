"""Audio networks for training and for restored bundles."""

import torch
from torch import nn

from capas.core.rng import derive_seed
from capas.engine.config import Config
from capas.engine.recipes.shared.forward import DataclassInputAdapter
from capas.networks.sequence.spectrogram_cnn import SpectrogramCNN, SpectrogramCNNConfig


def build_network(config: Config, num_outputs: int) -> nn.Module:
    """Build the configured network with weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    return new_spectrogram_cnn(config.audio.n_mels, num_outputs, int(config.network.width)).train()


def new_spectrogram_cnn(bands: int, num_outputs: int, width: int) -> nn.Module:
    return DataclassInputAdapter(
        SpectrogramCNN(SpectrogramCNNConfig(num_mels=bands, num_classes=num_outputs, width=width))
    )
