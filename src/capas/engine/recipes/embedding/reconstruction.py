"""How well an autoencoder rebuilds examples, beside principal components of as many numbers.

``squared_error`` is Σ (x − x̂)² over the numbers of an example, averaged over examples: Hinton & Salakhutdinov 2006
compare it with that of PCA, the best linear code of a size.

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
        others[name]["squared_error"] = mean_with_interval(compute()).as_json()
    own = {**result.metrics, "squared_error": mean_with_interval(errors).as_json()}
    return replace(result, metrics=own, baseline=others)
