"""The model of a table: perceptrons, boosted trees, a forest and a linear model, weighted by what each is worth on rows
that it has not seen (Wolpert, "Stacked Generalization", Neural Networks 1992; Breiman, "Stacked Regressions", Machine
Learning 1996: weights ≥ 0, here with sum 1):

    p(y | x) = Σ_m w_m · p_m(y | x)

No one model is best on all tables (Grinsztajn, Oyallon & Varoquaux, NeurIPS 2022, arXiv:2207.08815; McElfresh et al.,
NeurIPS 2023, arXiv:2305.02997), and their mean is rarely worse than the best. The perceptrons are learnt here; all else
was fitted by scikit-learn and lies here as tensors. While training, the perceptrons alone answer.

Legend: B rows, N numbers, G categories, F features, O outputs, P parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.core.spec import OutputKind
from capas.decoding.output_activation import activate_outputs, outputs_of_activated
from capas.networks.tabular.tabular_mlp import TabularMLP, TabularMLPConfig, known_category
from capas.networks.tabular.tree_ensemble import TreeEnsemble, TreeEnsembleConfig

MAX_ONE_HOT: Final = 32  # for trees, a column with more values is one number: the place in the order of frequency


@dataclass(frozen=True, kw_only=True, slots=True)
class TabularBlendConfig:
    """Configuration of ``TabularBlend``.

    Attributes:
        mlp: The perceptrons.
        output: What the outputs are: one class (softmax), tags (sigmoid) or standardised numbers.
        trees: Sizes of the ensembles of trees by name.
        linear: Whether there is a linear model.
    """

    mlp: TabularMLPConfig
    output: OutputKind
    trees: Mapping[str, TreeEnsembleConfig] = field(default_factory=dict)
    linear: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts, in the order of their shares."""
        return ("network", *self.trees, *(("linear",) if self.linear else ()))


class TabularBlend(nn.Module):
    """Rows of a table → logits or standardised numbers (B, O)."""

    def __init__(self, config: TabularBlendConfig, edges: Float[Tensor, "N E"] | None = None) -> None:
        super().__init__()
        self.config = config
        self.mlp = TabularMLP(config.mlp, edges)
        self.trees = nn.ModuleDict({name: TreeEnsemble(sizes) for name, sizes in config.trees.items()})
        if config.linear:
            # Not learnt here, as the leaves of the trees.
            outputs = config.mlp.outputs
            self.linear_weight = nn.Parameter(torch.zeros(linear_columns(config.mlp), outputs), requires_grad=False)
            self.linear_bias = nn.Parameter(torch.zeros(outputs), requires_grad=False)
        self.register_buffer("shares", torch.eye(len(config.parts))[0])

    def forward(self, numbers_BN: Float[Tensor, "B N"], categories_BG: Int[Tensor, "B G"]) -> Float[Tensor, "B O"]:
        """Return logits (log-probabilities for classes) or standardised numbers.

        Args:
            numbers_BN: Standardised numbers, NaN where missing.
            categories_BG: Category ids; one outside the column's range counts as unknown (0).
        """
        parts = self.part_predictions(numbers_BN, categories_BG)
        shares = self.get_buffer("shares")
        mean = sum(share * part for share, part in zip(shares, parts.values(), strict=True))
        assert isinstance(mean, Tensor)
        return outputs_of_activated(mean, self.config.output)

    def part_predictions(
        self, numbers_BN: Float[Tensor, "B N"], categories_BG: Int[Tensor, "B G"]
    ) -> dict[str, Float[Tensor, "B O"]]:
        """Return the probabilities or numbers of each part, in the order of ``config.parts``."""
        kind = self.config.output
        found = {"network": activate_outputs(self.mlp(numbers_BN, categories_BG), kind).mean(1)}
        if self.trees:
            features = tree_features(numbers_BN, categories_BG, self.config.mlp.categories)
            # A forest's leaves hold probabilities; boosted trees add up to logits.
            found |= {
                name: trees(features) if name == "forest" else activate_outputs(trees(features), kind)
                for name, trees in self.trees.items()
            }
        if self.config.linear:
            found["linear"] = activate_outputs(self._linear(numbers_BN, categories_BG), kind)
        return found

    def _linear(self, numbers_BN: Tensor, categories_BG: Tensor) -> Tensor:
        """The linear model's output on one-hot columns, without making them; category 0 has no weight."""
        missing = numbers_BN.isnan()
        numbers = torch.cat([torch.where(missing, 0, numbers_BN), missing.to(numbers_BN.dtype)], dim=1)
        categories = self.config.mlp.categories
        sizes = [numbers.shape[1], *(size - 1 for size in categories)]
        of_numbers, *of_categories = torch.tensor_split(self.linear_weight, tuple(accumulate(sizes[:-1])))
        answer: Tensor = self.linear_bias + numbers @ of_numbers
        for column, (rows, size) in enumerate(zip(of_categories, categories, strict=True)):
            table = torch.cat([rows.new_zeros(1, rows.shape[1]), rows])
            answer = answer + table[known_category(categories_BG[:, column], size)]
        return answer


def linear_columns(config: TabularMLPConfig) -> int:
    """Return the number of columns of the linear model: numbers, gaps, and values of the categories but 0."""
    return 2 * config.numbers + sum(size - 1 for size in config.categories)


def tree_features(
    numbers_BN: Float[Tensor, "B N"], categories_BG: Int[Tensor, "B G"], categories: tuple[int, ...]
) -> Float[Tensor, "B F"]:
    """Return what trees compare: the numbers, NaN where missing, and the categories, one-hot where there are few
    values, else by their place in the order of frequency.
    """
    parts = [numbers_BN]
    for column, size in enumerate(categories):
        ids = known_category(categories_BG[:, column], size)
        few = size <= MAX_ONE_HOT
        parts.append((torch.nn.functional.one_hot(ids, size) if few else ids[:, None]).to(numbers_BN.dtype))
    return torch.cat(parts, dim=1)
