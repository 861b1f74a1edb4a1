"""Vision Transformer: Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021 (arXiv:2010.11929), with the
details of He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022 (arXiv:2111.06377), Appendix A.1.

    z_0 = [class; E patch_1; …; E patch_N] + positions                                      (eq. 1)
    z  ← z + MultiHead(LayerNorm(z))                                                        (eq. 2)
    z  ← z + MLP(LayerNorm(z)),   MLP = linear, GELU, linear                                (eq. 3)
    features = mean over the patches of LayerNorm(z_L)

The details of the masked autoencoder: positions are fixed, sines and cosines of the column and of the row, and zero for
the class token; weights are drawn as Glorot & Bengio do; LayerNorm has ε = 1e-6.

Where we deviate: features are the mean over the patches, not the class token (as good by Dosovitskiy et al., Appendix
D.3, and of use where no label ever reached the class token); an image whose sides are no multiple of the patch is
padded with zeros on the right and below; since positions are computed, images of any size will do.

Shapes: B batch, C channels, H and W pixels, N patches, D width.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one
from capas.networks.sequence.attention import MultiHeadAttention

DEFAULT_WIDTH = 192
HEAD_WIDTH = 64
PATCHES_A_SIDE = 8
EPSILON = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class VisionTransformerConfig:
    """The base configuration (ViT-B/16), save for the classes.

    Attributes:
        in_channels: Channels of the images.
        num_classes: Number of outputs.
        image_size: Pixels a side of most images; others are taken too.
        patch_size: Pixels a side of a patch.
        width: Width of the tokens.
        depth: Number of blocks.
        heads: Attention heads per block; the width is a multiple of them.
    """

    in_channels: int = 3
    num_classes: int = 1000
    image_size: int = 224
    patch_size: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12

    def __post_init__(self) -> None:
        check_at_least_one(
            in_channels=self.in_channels, num_classes=self.num_classes, image_size=self.image_size,
            patch_size=self.patch_size, width=self.width, depth=self.depth, heads=self.heads,
        )  # fmt: skip

    @property
    def grid(self) -> int:
        """Patches a side."""
        return -(-self.image_size // self.patch_size)


def grid_positions(rows: int, columns: int, width: int) -> Float[Tensor, "N D"]:
    """Return the encodings of a grid's places row by row, after a row of zeros for the class token, in [-1, 1].

    A quarter of the width each for the sines and cosines of the column, then of the row; what is left over is zero.

    >>> grid_positions(1, 2, 5).tolist()[:2]
    [[0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0, 0.0]]
    """
    quarter = width // 4
    rates = 10_000.0 ** (-np.arange(quarter) / max(quarter, 1))
    row, column = (place[:, None] * rates for place in np.divmod(np.arange(rows * columns), columns))
    encoded = np.zeros((1 + rows * columns, width), dtype=np.float32)
    encoded[1:, : 4 * quarter] = np.concatenate([np.sin(column), np.cos(column), np.sin(row), np.cos(row)], axis=1)
    return torch.tensor(encoded)


class TransformerBlock(nn.Module):
    """A pre-norm block of self-attention and MLP, four times as wide inside: tokens (B, N, D) → (B, N, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(width, eps=EPSILON)
        self.attention = MultiHeadAttention(width, heads)
        self.before_mlp = nn.LayerNorm(width, eps=EPSILON)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        for layer in (self.attention.output, self.mlp[0], self.mlp[2]):
            draw_linear(layer)

    def forward(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Return the tokens after both sublayers."""
        normed = self.before_attention(tokens)
        tokens = tokens + self.attention(normed, normed)
        result: Tensor = tokens + self.mlp(self.before_mlp(tokens))
        return result


class VisionTransformer(nn.Module):
    """Images (B, C, H, W) → logits (B, num_classes); with ``head`` replaced by the identity, features (B, D)."""

    def __init__(self, config: VisionTransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Conv2d(config.in_channels, config.width, config.patch_size, config.patch_size)
        self.class_token = nn.Parameter(nn.init.trunc_normal_(torch.empty(config.width), std=0.02))
        self.register_buffer("positions", grid_positions(config.grid, config.grid, config.width))
        self.blocks = nn.ModuleList(TransformerBlock(config.width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=EPSILON)
        self.head = nn.Linear(config.width, config.num_classes)
        draw_linear(self.embed)
        draw_linear(self.head)

    def forward(self, images_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Return the head's outputs for the mean of the patches' tokens."""
        tokens = self.encode(self.patch_tokens(images_BCHW))
        logits: Tensor = self.head(tokens[:, 1:].mean(1))
        return logits

    def patch_tokens(self, images_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N D"]:
        """Return the embedded patches, row by row, with their positions; the class token is not yet among them."""
        size = self.config.patch_size
        height, width = images_BCHW.shape[2:]
        padded = F.pad(images_BCHW, (0, -width % size, 0, -height % size))
        embedded = self.embed(padded)
        positions = self._positions(embedded.shape[2], embedded.shape[3])
        tokens: Tensor = embedded.flatten(2).transpose(1, 2) + positions[1:].to(embedded.dtype)
        return tokens

    def encode(self, patches: Float[Tensor, "B N D"], kept: Int[Tensor, "B V"] | None = None) -> Float[Tensor, "B M D"]:
        """Return the last tokens, that of the class first.

        Args:
            patches: As ``patch_tokens`` gives them.
            kept: Which patches of each image go through the blocks, in this order; None for all.
        """
        if kept is not None:
            patches = patches.gather(1, kept[:, :, None].expand(-1, -1, patches.shape[2]))
        # shape[0], not len(): an export would write down the length of the batch that it was shown.
        first = self.class_token.to(patches.dtype).expand(patches.shape[0], 1, -1)
        tokens = torch.cat([first, patches], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        result: Tensor = self.norm(tokens)
        return result

    def _positions(self, rows: int, columns: int) -> Tensor:
        if rows == columns == self.config.grid:
            return self.get_buffer("positions")
        return grid_positions(rows, columns, self.config.width).to(self.class_token.device)


def draw_linear(layer: nn.Module) -> None:
    """Draw the weights of a linear layer, or of a convolution that is one, as Glorot & Bengio do; biases are zero."""
    assert isinstance(layer, nn.Linear | nn.Conv2d) and layer.bias is not None
    nn.init.xavier_uniform_(layer.weight.view(len(layer.weight), -1))
    nn.init.zeros_(layer.bias)


def vit_small_images(*, in_channels: int, num_classes: int, image_size: int, width: int | None) -> VisionTransformer:
    """Build a VisionTransformer for the catalogue: six blocks, at most 8×8 patches, heads 64 wide or nearly so."""
    width = DEFAULT_WIDTH if width is None else width
    heads = next(count for count in range(max(1, width // HEAD_WIDTH), 0, -1) if width % count == 0)
    return VisionTransformer(
        VisionTransformerConfig(
            in_channels=in_channels,
            num_classes=num_classes,
            image_size=image_size,
            patch_size=-(-image_size // PATCHES_A_SIDE),
            width=width,
            depth=6,
            heads=heads,
        )
    )
