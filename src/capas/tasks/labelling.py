"""A label for every word: the objective of a conditional random field (Lafferty, McCallum & Pereira, ICML 2001).

    loss = -Σ log P(labels of a sentence | sentence) / number of words

per word rather than per sentence, so that a batch of long sentences does not outweigh one of short ones.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from capas.core.objective import Phase


@runtime_checkable
class WordInputs(Protocol):
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
class LabelledWordsBatch(Protocol):
    """Sentences with the labels of their words."""

    @property
    def inputs(self) -> WordInputs:
        """The words."""

    @property
    def labels(self) -> Tensor:
        """B×T, 0..K-1; beyond a sentence's end they are not read."""


@runtime_checkable
class Labeller(Protocol):
    """A network that knows how likely labels are."""

    def log_likelihood(
        self, words: Tensor, characters: Tensor, lengths: Tensor, features: Tensor | None, labels: Tensor
    ) -> Tensor:
        """log P(labels | sentence) in nats, B."""


class Labelling:
    """The objective of ``network``, which must be a ``Labeller`` (ValueError)."""

    def __init__(self, network: nn.Module) -> None:
        if not isinstance(network, Labeller):
            raise ValueError(f"{type(network).__name__} has no log_likelihood")
        self.network: nn.Module = network

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"network": self.network}

    @property
    def phases(self) -> Sequence[Phase]:
        return (Phase(name="correct", loss="loss", networks=("network",)),)

    def losses(self, batch: LabelledWordsBatch, phase: Phase, rng: torch.Generator) -> Mapping[str, Tensor]:
        return {"loss": loss_per_word(self.network, batch)}


def loss_per_word(network: nn.Module, batch: LabelledWordsBatch) -> Tensor:
    """The mean over words of -log P in nats, a scalar."""
    assert isinstance(network, Labeller)
    given = batch.inputs
    likelihood = network.log_likelihood(given.words, given.characters, given.lengths, given.features, batch.labels)
    return -likelihood.sum() / given.lengths.sum()
