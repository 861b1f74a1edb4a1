"""A residual network for tables: Gorishniy, Rubachev, Khrulkov & Babenko, "Revisiting Deep Learning Models for Tabular
Data", NeurIPS 2021 (arXiv:2106.11959), Section 3.2:

    ResNet(x) = Prediction(Block(… Block(Linear(x))))
    Block(x) = x + Dropout(Linear(Dropout(ReLU(Linear(Norm(x))))))
    Prediction(x) = Linear(ReLU(Norm(x)))

Numbers come standardised, NaN where they are missing: those become 0, the mean, and a column says so. Categories come
as whole numbers, 0 for missing or never seen; each has an embedding. Where we deviate: layer in place of batch
normalisation, so that one row gives what it gives in a batch, while training too, and a last batch of one row is
nothing special; the piecewise-linear and periodic embeddings of numbers that followed (arXiv:2203.05556) are left out.

Where ``blended``, the answer is a mean of the network's and a linear model's (Breiman, "Stacked Regressions", Machine
Learning 1996; Wolpert 1992):  y = a · ResNet(x) + (1 − a) · linear(x),  0 ≤ a ≤ 1.  With a few hundred rows it is
better than either; both are fitted to the training rows, a to the validation rows, by whoever trains.

Legend: B rows, N numbers, G categories, O outputs.
"""

from dataclasses import dataclass
from itertools import accumulate

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, slots=True)
class TabularResNetConfig:
    """Configuration of ``TabularResNet``.

    Attributes:
        numbers: Number of numeric columns.
        categories: Number of values of each categorical column, 0 for "missing or unknown" included.
        outputs: Number of classes, or of predicted numbers.
        width: Width of the residual blocks.
        blocks: Number of residual blocks.
        dropout: Share of units dropped, in [0, 1).
        blended: Whether the output may be shared with a linear model.
    """

    numbers: int
    categories: tuple[int, ...]
    outputs: int
    width: int = 128
    blocks: int = 2
    dropout: float = 0.1
    blended: bool = False

    def __post_init__(self) -> None:
        if self.numbers < 0 or self.numbers + len(self.categories) == 0:
            raise ValueError(f"{self.numbers} numbers, {len(self.categories)} categories; expected at least one column")
        if any(size < 1 for size in self.categories):
            raise ValueError(f"categories are {self.categories}; expected 1 or more values each")
        if self.outputs < 1 or self.width < 1 or self.blocks < 0:
            raise ValueError(f"{self}; expected outputs and width ≥ 1, blocks ≥ 0")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; expected a share in [0, 1)")


class TabularBlock(nn.Module):
    """x + Dropout(Linear(Dropout(ReLU(Linear(Norm(x)))))): (B, D) → (B, D), 2·D inside."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(2 * width, width), nn.Dropout(dropout),
        )  # fmt: skip

    def forward(self, x_BD: Tensor) -> Tensor:
        """Return the input plus the branch, (B, D)."""
        branch: Tensor = self.branch(x_BD)
        return x_BD + branch


class TabularResNet(nn.Module):
    """Rows of a table → logits or standardised numbers (B, outputs)."""

    def __init__(self, config: TabularResNetConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = nn.ModuleList(nn.Embedding(size, embedding_size(size)) for size in config.categories)
        arriving = 2 * config.numbers + sum(embedding_size(size) for size in config.categories)
        self.first = nn.Linear(arriving, config.width)
        self.blocks = nn.Sequential(*(TabularBlock(config.width, config.dropout) for _ in range(config.blocks)))
        self.head = nn.Sequential(
            nn.LayerNorm(config.width), nn.ReLU(inplace=True), nn.Linear(config.width, config.outputs)
        )

        if config.blended:
            # Not learnt here: whoever fits the linear model fills them in.
            linear = 2 * config.numbers + sum(size - 1 for size in config.categories)
            self.register_buffer("linear_weight", torch.zeros(linear, config.outputs))
            self.register_buffer("linear_bias", torch.zeros(config.outputs))
            self.register_buffer("share", torch.ones(config.outputs))

    def forward(self, numbers_BN: Float[Tensor, "B N"], categories_BG: Int[Tensor, "B G"]) -> Float[Tensor, "B O"]:
        """Return logits or standardised numbers (B, outputs).

        Args:
            numbers_BN: Standardised numbers, NaN where missing.
            categories_BG: Category ids; one outside the column's range counts as unknown (0).
        """
        missing = numbers_BN.isnan()
        parts = [torch.where(missing, 0, numbers_BN), missing.to(numbers_BN.dtype)]
        columns = []
        for column, size in enumerate(self.config.categories):
            chosen = categories_BG[:, column]
            columns.append(torch.where((chosen >= 0) & (chosen < size), chosen, 0))
        embedded = [embedding(chosen) for embedding, chosen in zip(self.embeddings, columns, strict=True)]
        outputs: Tensor = self.head(self.blocks(self.first(torch.cat([*parts, *embedded], dim=1))))
        if not self.config.blended:
            return outputs
        share = self.get_buffer("share")
        return share * outputs + (1 - share) * self._linear(torch.cat(parts, dim=1), columns)

    def _linear(self, numbers_BM: Tensor, columns: list[Tensor]) -> Tensor:
        """The linear model's output on one-hot columns, without making them; category 0 has no weight."""
        weight = self.get_buffer("linear_weight")
        sizes = [numbers_BM.shape[1], *(size - 1 for size in self.config.categories)]
        of_numbers, *of_categories = torch.tensor_split(weight, tuple(accumulate(sizes[:-1])))
        answer: Tensor = self.get_buffer("linear_bias") + numbers_BM @ of_numbers
        for rows, chosen in zip(of_categories, columns, strict=True):
            answer = answer + torch.cat([rows.new_zeros(1, rows.shape[1]), rows])[chosen]
        return answer


def embedding_size(values: int) -> int:
    """Return the embedding width of a column with ``values`` categories: about 1.6 · values^0.56, at most 64 (fastai's
    rule of thumb).
    """
    return int(min(64, max(1, round(1.6 * float(values) ** 0.56))))
