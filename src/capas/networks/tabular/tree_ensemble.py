"""Decision trees as tensors: a forest (Breiman, "Random Forests", Machine Learning 2001) or a sum of boosted trees
(Friedman, Annals of Statistics 2001) that was fitted elsewhere, as a network without parameters.

All nodes of all trees lie in one row of each tensor. A row of the table begins at the root of every tree and goes, all
trees at once, left where ``feature ≤ threshold``, else right; a missing number (NaN) goes where the node says. A leaf
is its own child, so that after ``depth`` steps every path has ended. Nothing here can be executed but comparisons: a
bundle with trees is as safe as one without.

Legend: B rows, F features, T trees, M nodes, V values of a leaf, O outputs.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeEnsembleConfig:
    """Sizes of a ``TreeEnsemble``.

    Attributes:
        trees: Number of trees.
        nodes: Number of nodes of all trees.
        depth: Steps from a root to the deepest leaf.
        values: Values of a leaf: 1 where each tree counts for one output, else as many as outputs.
        outputs: Number of outputs.
    """

    trees: int
    nodes: int
    depth: int
    values: int
    outputs: int

    def __post_init__(self) -> None:
        check_at_least_one(trees=self.trees, nodes=self.nodes, values=self.values, outputs=self.outputs)
        if self.depth < 0 or self.values not in (1, self.outputs):
            raise ValueError(f"{self}; expected depth ≥ 0, and values 1 or as many as outputs")


class TreeEnsemble(nn.Module):
    """Features (B, F) → outputs (B, O): offset + Σ over the trees of their leaf's values times their weights."""

    def __init__(self, config: TreeEnsembleConfig) -> None:
        super().__init__()
        self.config = config
        nodes = config.nodes
        self.register_buffer("feature", torch.zeros(nodes, dtype=torch.int32))
        self.register_buffer("threshold", torch.zeros(nodes))
        self.register_buffer("branches", torch.zeros(nodes, 2, dtype=torch.int32))
        self.register_buffer("missing_left", torch.zeros(nodes, dtype=torch.bool))
        # Not learnt here; a parameter all the same, so that whoever replaces a model's weights by noise gets all of it.
        self.value = nn.Parameter(torch.zeros(nodes, config.values), requires_grad=False)
        self.register_buffer("roots", torch.zeros(config.trees, dtype=torch.int64))
        self.register_buffer("weights", torch.zeros(config.trees, config.outputs))
        self.register_buffer("offset", torch.zeros(config.outputs))

    def forward(self, x_BF: Float[Tensor, "B F"]) -> Float[Tensor, "B O"]:
        """Return the outputs; features may be NaN."""
        node = self.get_buffer("roots").expand(x_BF.shape[0], -1)
        branches = self.get_buffer("branches").flatten()
        for _ in range(self.config.depth):
            x = x_BF.gather(1, self.get_buffer("feature")[node].long())
            # A missing number is neither above nor below.
            left = (x <= self.get_buffer("threshold")[node]) | (x.isnan() & self.get_buffer("missing_left")[node])
            node = branches[2 * node + (~left).long()].long()
        leaves_BTV = self.value[node]
        weights_TO = self.get_buffer("weights")
        # One value a tree: it counts for the outputs for which it has a weight. Else leaf and output go together.
        total = leaves_BTV[:, :, 0] @ weights_TO if self.config.values == 1 else (leaves_BTV * weights_TO).sum(1)
        outputs: Tensor = self.get_buffer("offset") + total
        return outputs
