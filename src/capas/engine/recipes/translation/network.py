"""TODO docstring."""

import torch

from capas.core.rng import derive_seed
from capas.data.text.vocabulary import SubwordVocabulary
from capas.engine.config import Config
from capas.networks.sequence.transformer import Transformer, TransformerConfig


def num_layers_for(width: int) -> int:
    """Layers of encoder and decoder each."""
    return 3 if width >= 256 else 2


def new_transformer(vocabulary: SubwordVocabulary, width: int) -> Transformer:
    """A network with fresh weights."""
    layers = num_layers_for(width)
    return Transformer(
        TransformerConfig(
            vocabulary=len(vocabulary), width=width, heads=4, encoder_layers=layers, decoder_layers=layers,
            feedforward=4 * width, dropout=0.1, pre_norm=True,
        )
    )  # fmt: skip


def build_network(config: Config, vocabulary: SubwordVocabulary) -> Transformer:
    """With weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    return new_transformer(vocabulary, int(config.network.width)).train()
