"""Text networks for training."""

import torch
from torch import nn

from capas.bundle.card import NetworkCard
from capas.core.rng import derive_seed
from capas.core.spec import OUTPUT_KINDS
from capas.engine.config import Config
from capas.engine.recipes.shared.forward import DataclassInputAdapter
from capas.engine.recipes.single_output.text.encodings import (
    EmbeddingsWithTermsEncoding,
    TextEncoding,
    TfidfEncoding,
)
from capas.networks.sequence.text_blend import TextBlend, TextBlendConfig


def build_network(config: Config, encoding: TextEncoding, num_outputs: int) -> nn.Module:
    """Build the configured network with weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    return DataclassInputAdapter(encoding.network(config.network.name, num_outputs, int(config.network.width))).train()


def restored_text_network(card: NetworkCard, encoding: TextEncoding, num_outputs: int) -> DataclassInputAdapter:
    """Build the network that a card describes, for its weights to be loaded. Raises ValueError where it has none."""
    settings = card.settings
    network = encoding.network(card.name, num_outputs, int(str(settings["width"])))
    if "share.linear" in settings:
        (output,) = (kind for kind in OUTPUT_KINDS.values() if kind == settings["output"])
        own_inputs = isinstance(encoding, EmbeddingsWithTermsEncoding)
        if not own_inputs and not isinstance(encoding, TfidfEncoding):
            raise ValueError("terms: none, but the network weighs terms")
        blend = TextBlendConfig(
            terms=int(str(settings["terms"])), outputs=num_outputs, output=output, own_inputs=own_inputs
        )
        network = TextBlend(network, blend)
    return DataclassInputAdapter(network)
