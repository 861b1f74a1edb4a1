"""Audio networks for training and for restored bundles."""

import torch
from torch import nn

from capas.core.rng import derive_seed
from capas.engine.config import Config
from capas.engine.recipes.shared.forward import DataclassInputAdapter
from capas.engine.recipes.shared.initial_weights import initial_bundle, load_initial_weights
from capas.networks.sequence.spectrogram_cnn import SpectrogramCNN, SpectrogramCNNConfig

HEAD = "network.classifier"


def build_network(config: Config, num_outputs: int) -> nn.Module:
    """Build the configured network with weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    network = new_spectrogram_cnn(config.audio.n_mels, num_outputs, int(config.network.width))
    if config.network.init_from:
        bundle = initial_bundle(config.network.init_from, "audio")
        load_initial_weights(network, bundle.tensors, head=HEAD, where=config.network.init_from)
    return network.train()


def new_spectrogram_cnn(bands: int, num_outputs: int, width: int) -> nn.Module:
    return DataclassInputAdapter(
        SpectrogramCNN(SpectrogramCNNConfig(num_mels=bands, num_classes=num_outputs, width=width))
    )
