"""Perceptrons for tables, several side by side: the MLP×k of Gorishniy, Kotelnikov & Babenko, "TabM: Advancing Tabular
Deep Learning with Parameter-Efficient Ensembling", ICLR 2025 (arXiv:2410.24210), Section 3, on the piecewise-linear
encoding of numbers of Gorishniy, Rubachev & Babenko, NeurIPS 2022 (arXiv:2203.05556), Equation 1:

    PLE(x) = (e_1, …, e_T),   e_t = (x − b_{t−1}) / (b_t − b_{t−1}), bounded to [0, 1]

The edges b are quantiles of the training rows, so that an encoded number says where it lies among all, and one layer
can bend at each edge. A number comes standardised, NaN where it is missing: it then becomes 0 everywhere, and a column
says so. Categories come as whole numbers, 0 for missing or never seen, and are one-hot.

No member shares weights with another. TabM's do, and are a little better for it; ours are apart so that each can be
kept from a part of the rows, and what it says about those be used as a prediction for rows that it has not seen.

Legend: B rows, N numbers, G categories, K members, T bins, D inputs, O outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one
from capas.networks.layers import PackedLinear

MEMBERS: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class TabularMLPConfig:
    """Configuration of ``TabularMLP``.

    Attributes:
        numbers: Number of numeric columns.
        categories: Number of values of each categorical column, 0 for "missing or unknown" included.
        outputs: Number of classes, tags or predicted numbers.
        members: Number of perceptrons.
        width: Units of a hidden layer.
        depth: Number of hidden layers.
        bins: Bins of a number; 0 for none.
        dropout: Share of units dropped, in [0, 1).
    """

    numbers: int
    categories: tuple[int, ...]
    outputs: int
    members: int = MEMBERS
    width: int = 128
    depth: int = 2
    bins: int = 16
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_columns(self.numbers, self.bins, self.categories)
        check_at_least_one(outputs=self.outputs, members=self.members, width=self.width, depth=self.depth)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; expected a share in [0, 1)")

    @property
    def inputs(self) -> int:
        """Number of inputs of the first layer."""
        return (2 + self.bins) * self.numbers + sum(self.categories)


def check_columns(numbers: int, bins: int, categories: Sequence[int]) -> None:
    """Raise ValueError unless these are columns that ``encode_columns`` takes, one at least."""
    if numbers < 0 or bins < 0 or numbers + len(categories) == 0:
        raise ValueError(
            f"{numbers} numbers, {bins} bins, {len(categories)} categories; expected a column, and none < 0"
        )
    if any(size < 1 for size in categories):
        raise ValueError(f"categories are {categories}; expected 1 or more values each")


class TabularMLP(nn.Module):
    """Rows of a table → logits or standardised numbers of each member (B, K, O).

    Args:
        config: The configuration.
        edges: Increasing edges of the bins of each number, shape (N, T + 1); None where weights are loaded afterwards.
    """

    def __init__(self, config: TabularMLPConfig, edges: Float[Tensor, "N E"] | None = None) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("edges", torch.zeros(config.numbers, config.bins + 1) if edges is None else edges.float())
        widths = [config.inputs, *[config.width] * config.depth, config.outputs]
        self.layers = nn.ModuleList(
            PackedLinear(config.members, widths[i], widths[i + 1]) for i in range(len(widths) - 1)
        )

    def forward(self, numbers_BN: Float[Tensor, "B N"], categories_BG: Int[Tensor, "B G"]) -> Float[Tensor, "B K O"]:
        """Return the outputs of each member.

        Args:
            numbers_BN: Standardised numbers, NaN where missing.
            categories_BG: Category ids; one outside the column's range counts as unknown (0).
        """
        hidden = self.encode(numbers_BN, categories_BG)[:, None].expand(-1, self.config.members, -1)
        *inner, last = self.layers
        for layer in inner:
            hidden = F.dropout(layer(hidden).relu(), self.config.dropout, self.training)
        outputs: Tensor = last(hidden)
        return outputs

    def encode(self, numbers_BN: Float[Tensor, "B N"], categories_BG: Int[Tensor, "B G"]) -> Float[Tensor, "B D"]:
        """Return numbers, gaps, encoded numbers and one-hot categories."""
        return encode_columns(numbers_BN, categories_BG, self.get_buffer("edges"), self.config.categories)


def encode_columns(
    numbers_BN: Float[Tensor, "B N"],
    categories_BG: Int[Tensor, "B G"],
    edges_NE: Float[Tensor, "N E"],
    categories: Sequence[int],
) -> Float[Tensor, "B D"]:
    """Return numbers (0 where missing), gaps (1 where missing), bins and one-hot categories, (2 + T)·N + Σ values wide.

    Args:
        numbers_BN: Standardised numbers, NaN where missing.
        categories_BG: Category ids; one outside the column's range counts as unknown (0).
        edges_NE: Increasing edges of the bins of each number.
        categories: Number of values of each categorical column, 0 included.
    """
    missing = numbers_BN.isnan()
    numbers = torch.where(missing, 0, numbers_BN)
    # Where edges coincide, a value that is common, the bin is a step.
    size = (edges_NE[:, 1:] - edges_NE[:, :-1]).clamp(min=1e-6)
    bins = ((numbers[:, :, None] - edges_NE[:, :-1]) / size).clamp(0, 1)
    parts = [numbers, missing.to(numbers.dtype), torch.where(missing[:, :, None], 0, bins).flatten(1)]
    for column, values in enumerate(categories):
        parts.append(F.one_hot(known_category(categories_BG[:, column], values), values).to(numbers.dtype))
    return torch.cat(parts, dim=1)


def known_category(ids_B: Int[Tensor, " B"], values: int) -> Int[Tensor, " B"]:
    """Return the ids, 0 in place of each outside 0..values − 1."""
    return torch.where((ids_B >= 0) & (ids_B < values), ids_B, 0)


def quantile_edges(numbers: Float[Tensor, "M N"], bins: int) -> Float[Tensor, "N E"]:
    """Return ``bins`` + 1 edges of each column, its quantiles without NaN; 0 for a column without a number."""
    if bins == 0 or numbers.shape[1] == 0:
        return torch.zeros(numbers.shape[1], bins + 1)
    shares = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    columns = [column[~column.isnan()].double() for column in numbers.T]
    # Sorted by hand: torch.quantile refuses more than 16 million values.
    rows = [
        column.sort().values[(shares * (len(column) - 1)).round().long()] if len(column) else torch.zeros(bins + 1)
        for column in columns
    ]
    return torch.stack([row.float() for row in rows])
