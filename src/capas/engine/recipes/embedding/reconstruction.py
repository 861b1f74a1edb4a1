"""How well an autoencoder rebuilds examples, beside principal components of as many numbers.

``squared_error`` is Σ (x − x̂)² over the numbers of an example, averaged over examples: Hinton & Salakhutdinov 2006
compare it with that of PCA, the best linear code of a size. Of documents as shares of words p, ``word_cross_entropy``
is −Σ p ln p̂ in nats per word, averaged over documents: e to the power of it is a perplexity. PCA has none, because what
it rebuilds are no probabilities; the frequencies of the words in all training documents have one.

Shapes: N examples, F numbers of an example, D numbers of a code.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.engine.execution import Execution
from capas.engine.recipe import TestResult
from capas.metrics.bootstrap import mean_with_interval
from capas.networks.representation.deep_autoencoder import Reconstructs

if TYPE_CHECKING:
    from sklearn.decomposition import PCA

MAX_FITTED: Final = 20_000  # examples that the components are fitted to
LEAST_PROBABILITY: Final = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True)
class PrincipalComponents:
    """The linear code of a size with the least squared error on the training examples."""

    fitted: "PCA"

    @staticmethod
    def fit(examples: Float[Tensor, "N F"], code: int) -> "PrincipalComponents":
        """Fit ``code`` components, or as many as there can be."""
        from sklearn.decomposition import PCA

        count = min(code, *examples.shape)
        return PrincipalComponents(fitted=PCA(count, random_state=0).fit(examples.double().numpy()))

    def encode(self, examples: Float[Tensor, "N F"]) -> Float[Tensor, "N D"]:
        """Return the codes."""
        return torch.from_numpy(self.fitted.transform(examples.double().numpy())).float()

    def errors(self, examples: Float[Tensor, "N F"]) -> Float[Tensor, " N"]:
        """Return the squared error of each example."""
        known = examples.double().numpy()
        rebuilt = self.fitted.inverse_transform(self.fitted.transform(known))
        return torch.from_numpy(((rebuilt - known) ** 2).sum(1))


@torch.no_grad()
def reconstruction_errors(
    network: nn.Module, inputs: Float[Tensor, "B ..."], execution: Execution | None = None
) -> Tensor:
    """Return the squared error (B,) of each example, float64 on the CPU, by a network that ``Reconstructs``."""
    assert isinstance(network, Reconstructs)
    network.eval()
    device = next(network.parameters()).device
    rebuilt = network.reconstruct(inputs.to(device) if execution is None else execution.place_batch(inputs))
    return (rebuilt.cpu().double() - inputs.double()).square().flatten(1).sum(1)


@torch.no_grad()
def word_cross_entropies(
    network: nn.Module, shares: Float[Tensor, "B V"], execution: Execution | None = None
) -> Float[Tensor, " B"]:
    """Return −Σ p ln p̂ of each document, float64 on the CPU, by a network that ``Reconstructs`` shares of words."""
    assert isinstance(network, Reconstructs)
    network.eval()
    device = next(network.parameters()).device
    rebuilt = network.reconstruct(shares.to(device) if execution is None else execution.place_batch(shares))
    return cross_entropies(shares, rebuilt.cpu())


def cross_entropies(shares: Float[Tensor, "B V"], predicted: Float[Tensor, "B V"]) -> Float[Tensor, " B"]:
    """Return −Σ p ln p̂ in nats, float64; a word that is there and was given no probability counts as 1e-12."""
    return -torch.xlogy(shares.double(), predicted.double().clamp(min=LEAST_PROBABILITY)).sum(1)


def with_word_cross_entropy(
    result: TestResult, entropies: Tensor, untrained: Tensor | None, frequencies: Tensor | None
) -> TestResult:
    """Return ``result`` with ``word_cross_entropy``, the mean of ``entropies`` (N,).

    Args:
        result: The result so far.
        entropies: Those of each test document.
        untrained: The same by the network without training, a baseline of ``result``.
        frequencies: The same by the frequencies of the words in all training documents.
    """
    own = {**result.metrics, "word_cross_entropy": _measure(entropies, "nats")}
    others = {name: dict(figures) for name, figures in result.baseline.items()}
    if untrained is not None:
        others["untrained"]["word_cross_entropy"] = _measure(untrained, "nats")
    further = dict(result.further)
    if frequencies is not None:
        further["word_cross_entropy_of_frequencies"] = _measure(frequencies, "nats")
    return replace(result, metrics=own, baseline=others, further=further)


def with_reconstruction(
    result: TestResult, errors: Tensor, baselines: Mapping[str, Callable[[], Tensor]]
) -> TestResult:
    """Return ``result`` with ``squared_error``, the mean of ``errors`` (N,), and that of each of its baselines named.

    Args:
        result: The result so far.
        errors: Squared error of each test example.
        baselines: The same of baselines, by name; each must be one of ``result``.
    """
    others = {name: dict(figures) for name, figures in result.baseline.items()}
    for name, compute in baselines.items():
        others[name]["squared_error"] = _measure(compute(), "")
    own = {**result.metrics, "squared_error": _measure(errors, "")}
    return replace(result, metrics=own, baseline=others)


def _measure(values: Tensor, unit: str) -> dict[str, object]:
    """The mean of values as a metric that is no share."""
    return {**mean_with_interval(values).as_json(), "unit": unit}
