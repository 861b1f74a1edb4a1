"""A label for every word: the objective of a conditional random field (Lafferty, McCallum & Pereira, ICML 2001).

    loss = -Σ log P(labels of a sentence | sentence) / number of words

per word rather than per sentence, so that a batch of long sentences does not outweigh one of short ones.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from capas.objectives.base import Phase


@runtime_checkable
class TokenInputs(Protocol):
    """B sentences of T words, padded on the right."""

    @property
    def words(self) -> Tensor:
        """B×T."""

    @property
    def characters(self) -> Tensor:
        """B×T×C."""

    @property
    def lengths(self) -> Tensor:
        """B."""

    @property
    def features(self) -> Tensor:
        """B×T×F."""


@runtime_checkable
class TokenClassificationBatch(Protocol):
    """Sentences with the labels of their words."""

    @property
    def inputs(self) -> TokenInputs:
        """The words."""

    @property
    def labels(self) -> Tensor:
        """B×T, 0..K-1; beyond a sentence's end they are not read."""


@runtime_checkable
class SupportsLogLikelihood(Protocol):
    """A network that knows how likely labels are."""

    def log_likelihood(
        self, words: Tensor, characters: Tensor, lengths: Tensor, features: Tensor | None, labels: Tensor
    ) -> Tensor:
        """log P(labels | sentence) in nats, B."""


class TokenClassification:
    """The objective of ``network``, which must be a ``SupportsLogLikelihood`` (ValueError)."""

    def __init__(self, network: nn.Module) -> None:
        if not isinstance(network, SupportsLogLikelihood):
            raise ValueError(f"{type(network).__name__} has no log_likelihood")
        self.network: nn.Module = network

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"network": self.network}

    @property
    def phases(self) -> Sequence[Phase]:
        return (Phase(name="correct", loss="loss", networks=("network",)),)

    def losses(self, batch: TokenClassificationBatch, phase: Phase, rng: torch.Generator) -> Mapping[str, Tensor]:
        return {"loss": negative_log_likelihood_per_word(self.network, batch)}


def negative_log_likelihood_per_word(network: nn.Module, batch: TokenClassificationBatch) -> Tensor:
    """The mean over words of -log P in nats, a scalar."""
    assert isinstance(network, SupportsLogLikelihood)
    network_inputs = batch.inputs
    likelihood = network.log_likelihood(
        network_inputs.words, network_inputs.characters, network_inputs.lengths, network_inputs.features, batch.labels
    )
    return -likelihood.sum() / network_inputs.lengths.sum()
