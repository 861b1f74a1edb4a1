"""Transformers for training and for restored bundles."""

import torch

from capas.core.rng import derive_seed
from capas.data.text.vocabulary import SubwordVocabulary
from capas.engine.config import Config
from capas.networks.sequence.transformer import Transformer, TransformerConfig


def num_layers_for(width: int) -> int:
    """Return the number of encoder layers, and of decoder layers, for a width."""
    return 3 if width >= 256 else 2


def new_transformer(vocabulary: SubwordVocabulary, width: int) -> Transformer:
    """Build a pre-norm Transformer with fresh weights."""
    layers = num_layers_for(width)
    return Transformer(
        TransformerConfig(
            vocabulary=len(vocabulary), width=width, heads=4, encoder_layers=layers, decoder_layers=layers,
            feedforward=4 * width, dropout=0.1, pre_norm=True,
        )
    )  # fmt: skip


def build_network(config: Config, vocabulary: SubwordVocabulary) -> Transformer:
    """Build the configured network with weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    return new_transformer(vocabulary, int(config.network.width)).train()
