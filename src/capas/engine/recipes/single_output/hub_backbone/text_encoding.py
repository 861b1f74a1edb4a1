"""Texts as the vectors of a frozen encoder in Hugging Face's format."""

import copy
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.engine.encoders.hub_encoder import HubEncoder, HubFeatures


class HubTextEncoding:
    """Texts as vectors, computed outside the network that is trained."""

    encoder: nn.Module | None = None  # its attention has no form that we know
    num_leading_tokens = 0

    def __init__(self, hub: HubEncoder, reference: Mapping[str, object]) -> None:
        self.hub = hub
        self._reference = reference

    def encode(self, texts: Sequence[str]) -> Float[Tensor, "B D"]:
        """Return the vectors of texts."""
        return torch.from_numpy(self.hub.encode([self.hub.preprocess(text, text[:60]) for text in texts]))

    def count_tokens(self, word: str) -> int:
        """Return the number of tokens of a word."""
        return len(self.hub.processors["text"](word, add_special_tokens=False)["input_ids"])

    def with_features(self, features: HubFeatures) -> "HubTextEncoding":
        """Return the same with another network in place of the encoder's, such as one with random weights."""
        hub = copy.copy(self.hub)
        hub.features = features
        return HubTextEncoding(hub, self._reference)

    def as_json(self) -> Mapping[str, object]:
        """Return the reference to the encoder."""
        return self._reference
