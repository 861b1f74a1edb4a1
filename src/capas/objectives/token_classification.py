"""Token classification: the negative log-likelihood of a conditional random field per word.

Lafferty, McCallum & Pereira, "Conditional Random Fields", ICML 2001.

    loss = -Σ log P(labels of a sentence | sentence) / number of words

per word rather than per sentence, so that a batch of long sentences does not outweigh one of short ones.

Shapes: B sentences, T words, C characters, F features, K labels.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext


@runtime_checkable
class TokenInputs(Protocol):
    """B sentences of T words, padded on the right."""

    @property
    def words(self) -> Tensor:
        """Word indices, shape (B, T)."""

    @property
    def characters(self) -> Tensor:
        """Character indices, shape (B, T, C)."""

    @property
    def lengths(self) -> Tensor:
        """Sentence lengths, shape (B,)."""

    @property
    def features(self) -> Tensor:
        """Word features, shape (B, T, F)."""


@runtime_checkable
class TokenClassificationBatch(Protocol):
    """Sentences with the labels of their words."""

    @property
    def inputs(self) -> TokenInputs:
        """The words."""

    @property
    def labels(self) -> Tensor:
        """Labels 0..K-1, shape (B, T); ignored beyond a sentence's end."""


@runtime_checkable
class SupportsLogLikelihood(Protocol):
    """A network that computes the likelihood of label sequences."""

    def log_likelihood(
        self, words: Tensor, characters: Tensor, lengths: Tensor, features: Tensor | None, labels: Tensor
    ) -> Tensor:
        """Return log P(labels | sentence), in nats, shape (B,)."""


class TokenClassification:
    """Objective of a CRF. Raises ValueError unless ``network`` is a ``SupportsLogLikelihood``."""

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

    def losses(self, batch: TokenClassificationBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        return {"loss": negative_log_likelihood_per_word(self.network, batch)}


def negative_log_likelihood_per_word(network: nn.Module, batch: TokenClassificationBatch) -> Tensor:
    """Return −log P in nats, averaged over the words of the batch."""
    assert isinstance(network, SupportsLogLikelihood)
    network_inputs = batch.inputs
    likelihood = network.log_likelihood(
        network_inputs.words, network_inputs.characters, network_inputs.lengths, network_inputs.features, batch.labels
    )
    return -likelihood.sum() / network_inputs.lengths.sum()
