"""The linear part of a blended tabular network (Breiman, "Stacked Regressions", 1996; see
``networks/tabular/tabular_resnet.py``):  y = a · network(x) + (1 − a) · linear(x).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.baselines.ridge import fit_ridge
from capas.engine.recipes.single_output.tabular.network import tabular_network
from capas.objectives.regression import TargetScale


def standardise_targets(targets: Tensor, train: Tensor) -> Float[Tensor, "N M"]:
    """Return the targets with mean 0 and deviation 1 over the rows ``train``, as the objective has them."""
    columns = [TargetScale.fit(column[train]).standardise(column) for column in targets.T]
    return torch.stack(columns, dim=1)


def fit_linear_part(network: nn.Module, features: Float[Tensor, "N D"], targets: Float[Tensor, "N M"]) -> None:
    """Fit the linear part of ``network`` in place: a ridge regression for each column of ``targets``."""
    inner = tabular_network(network)
    for place, column in enumerate(targets.T):
        ridge = fit_ridge(features, column)
        inner.get_buffer("linear_weight")[:, place] = ridge.weight.float()
        inner.get_buffer("linear_bias")[place] = ridge.bias


def best_blend_weight(
    network: Float[Tensor, "N M"], linear: Float[Tensor, "N M"], targets: Float[Tensor, "N M"]
) -> Float[Tensor, " M"]:
    """Return for each column the a in [0, 1] for which a · network + (1 − a) · linear has the least squared error."""
    apart = network - linear
    blend_weight = ((targets - linear) * apart).sum(0) / apart.square().sum(0).clamp(min=1e-12)
    return blend_weight.clamp(0, 1)
