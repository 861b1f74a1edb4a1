"""Pictures or sounds learnt together with the columns of a table: joint fusion in the terms of Huang, Pareek,
Seyyedi, Banerjee & Lungren, "Fusion of medical imaging and electronic health records using deep learning: a systematic
review and implementation guidelines", npj Digital Medicine 3, 2020. Both sides are trained end to end:

    e = content(x)                         the embedding of the picture or sound
    h = ReLU(W_1 [e, columns] + b_1)       what both say together, such as "large for this age"
    y = W_2 [e, h] + b_2

Columns are encoded as in ``tabular_mlp``. A sum of two separate outputs (late fusion) cannot say that a measurement
means another thing at another age; h can.

While training, all columns of a few rows are hidden as if missing, as whole modalities are in Neverova, Wolf, Taylor &
Nebout, "ModDrop: Adaptive Multi-modal Gesture Recognition", TPAMI 2016 (arXiv:1501.00102): the network then answers
sensibly without its columns, too.

Legend: B rows, N numbers, G categories, E width of the embedding, H hidden units, O outputs.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one
from capas.networks.tabular.tabular_mlp import check_columns, encode_columns


@dataclass(frozen=True, kw_only=True, slots=True)
class JointFusionConfig:
    """Configuration of ``JointFusion``.

    Attributes:
        numbers: Number of numeric columns.
        categories: Number of values of each categorical column, 0 for "missing or unknown" included.
        outputs: Number of classes, tags or predicted numbers.
        embedding: Outputs of the content network.
        width: Hidden units.
        bins: Bins of a number; 0 for none.
        mirrored: In evaluation mode, average the outputs for an image and its mirror image.
        hidden_share: Share of the rows whose columns are hidden while training, in [0, 1).
        dropout: Share of hidden units dropped, in [0, 1).
    """

    numbers: int
    categories: tuple[int, ...]
    outputs: int
    embedding: int
    width: int = 64
    bins: int = 16
    mirrored: bool = False
    hidden_share: float = 0.05
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_columns(self.numbers, self.bins, self.categories)
        check_at_least_one(outputs=self.outputs, embedding=self.embedding, width=self.width)
        if not 0 <= self.hidden_share < 1 or not 0 <= self.dropout < 1:
            raise ValueError(f"{self}; expected hidden_share in [0, 1) and dropout in [0, 1)")

    @property
    def columns(self) -> int:
        """Width of the encoded columns."""
        return (2 + self.bins) * self.numbers + sum(self.categories)


class JointFusion(nn.Module):
    """A picture or sound and the cells of its row → logits or standardised numbers (B, O).

    Args:
        config: The configuration.
        content: Network of the content, with ``config.embedding`` outputs.
        edges: Increasing edges of the bins of each number, shape (N, T + 1); None where weights are loaded afterwards.
    """

    def __init__(
        self, config: JointFusionConfig, content: nn.Module, edges: Float[Tensor, "N E"] | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("edges", torch.zeros(config.numbers, config.bins + 1) if edges is None else edges.float())
        self.hidden = nn.Linear(config.embedding + config.columns, config.width)
        self.output = nn.Linear(config.embedding + config.width, config.outputs)
        # Last, so that who looks for the network's last layer and its features finds those of the content.
        self.content = content

    def forward(
        self, content: object, numbers_BN: Float[Tensor, "B N"], categories_BG: Int[Tensor, "B G"]
    ) -> Tensor | tuple[Tensor, ...]:
        """Return the outputs; while training a tuple where the content network returns one.

        Args:
            content: What the content network takes.
            numbers_BN: Standardised numbers, NaN where missing.
            categories_BG: Category ids, 0 where missing or unknown.
        """
        if self.training:
            numbers_BN, categories_BG = self._some_hidden(numbers_BN, categories_BG)
        embedded = self.content(content)
        if isinstance(embedded, tuple):
            return tuple(self.fuse(one, numbers_BN, categories_BG) for one in embedded)
        outputs = self.fuse(embedded, numbers_BN, categories_BG)
        if self.training or not self.config.mirrored:
            return outputs
        assert isinstance(content, Tensor)
        return (outputs + self.fuse(self.content(content.flip(3)), numbers_BN, categories_BG)) / 2

    def fuse(
        self, embedded_BE: Float[Tensor, "B E"], numbers_BN: Float[Tensor, "B N"], categories_BG: Int[Tensor, "B G"]
    ) -> Float[Tensor, "B O"]:
        """Return the outputs for embeddings of contents."""
        columns = encode_columns(numbers_BN, categories_BG, self.get_buffer("edges"), self.config.categories)
        hidden = self.hidden(torch.cat([embedded_BE, columns.to(embedded_BE.dtype)], 1)).relu()
        hidden = F.dropout(hidden, self.config.dropout, self.training)
        outputs: Tensor = self.output(torch.cat([embedded_BE, hidden.to(embedded_BE.dtype)], 1))
        return outputs

    def _some_hidden(self, numbers_BN: Tensor, categories_BG: Tensor) -> tuple[Tensor, Tensor]:
        """Some rows as if all their cells were missing."""
        hidden = torch.rand(len(numbers_BN), 1, device=numbers_BN.device) < self.config.hidden_share
        return torch.where(hidden, torch.nan, numbers_BN), torch.where(hidden, 0, categories_BG)
