"""Masked autoencoder: He, Chen, Xie, Li, Dollár & Girshick, "Masked Autoencoders Are Scalable Vision Learners", CVPR
2022 (arXiv:2111.06377).

Three quarters of an image's patches are hidden. The encoder, a Vision Transformer, sees the others alone; a light
decoder gets what it made of them, one learned mask token at every hidden place, and all positions, and predicts the
pixels of the hidden patches (Section 3).

With the base configurations: 111,907,840 numbers, 85,798,656 of them the encoder's, fixed positions included and the
classifier's head left out.

Shapes: B batch, N patches, V visible ones, D width, P = patch_size² · C numbers of a patch.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one
from capas.networks.vision.vit import EPSILON, TransformerBlock, VisionTransformer, draw_linear, grid_positions


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskedDecoderConfig:
    """The paper's decoder: 8 blocks of width 512.

    Attributes:
        width: Width of the tokens, a multiple of ``heads``.
        depth: Number of blocks.
        heads: Attention heads per block.
    """

    width: int = 512
    depth: int = 8
    heads: int = 16

    def __post_init__(self) -> None:
        check_at_least_one(width=self.width, depth=self.depth, heads=self.heads)


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchMask:
    """Which patches of each image are hidden.

    Attributes:
        kept: Places of the visible patches, int64 (B, V).
        restore: Where each place stands in "visible ones, then hidden ones", int64 (B, N).
        hidden: True where a patch is hidden, bool (B, N).
    """

    kept: Tensor
    restore: Tensor
    hidden: Tensor

    @classmethod
    def draw(cls, noise: Float[Tensor, "B N"], ratio: float) -> "PatchMask":
        """Hide the share ``ratio`` of the places, those with the most ``noise``; at least one stays visible."""
        places = noise.shape[1]
        visible = max(1, int(places * (1 - ratio)))
        order = noise.argsort(dim=1)
        restore = order.argsort(dim=1)
        return cls(kept=order[:, :visible], restore=restore, hidden=restore >= visible)


class MaskedDecoder(nn.Module):
    """Tokens of the visible patches, class token first, (B, 1 + V, D) → pixels of all patches (B, N, P)."""

    def __init__(self, config: MaskedDecoderConfig, *, in_width: int, patch_numbers: int, grid: int) -> None:
        super().__init__()
        self.embed = nn.Linear(in_width, config.width)
        self.mask_token = nn.Parameter(nn.init.trunc_normal_(torch.empty(config.width), std=0.02))
        self.register_buffer("positions", grid_positions(grid, grid, config.width))
        self.blocks = nn.ModuleList(TransformerBlock(config.width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=EPSILON)
        self.predict = nn.Linear(config.width, patch_numbers)
        for layer in (self.embed, self.predict):
            draw_linear(layer)

    def forward(self, tokens: Float[Tensor, "B M D"], restore: Int[Tensor, "B N"]) -> Float[Tensor, "B N P"]:
        """Return the predicted patches, those that were visible among them."""
        embedded = self.embed(tokens)
        hidden = restore.shape[1] - (embedded.shape[1] - 1)
        masks = self.mask_token.to(embedded.dtype).expand(len(embedded), hidden, -1)
        shuffled = torch.cat([embedded[:, 1:], masks], dim=1)
        placed = shuffled.gather(1, restore[:, :, None].expand_as(shuffled))
        x = torch.cat([embedded[:, :1], placed], dim=1) + self.get_buffer("positions").to(embedded.dtype)
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.predict(self.norm(x))[:, 1:]
        return result


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskedReconstruction:
    """What a masked autoencoder makes of images.

    Attributes:
        predicted: Predicted patches (B, N, P), those that were visible among them.
        patches: The patches themselves, (B, N, P).
        hidden: True where a patch was hidden, bool (B, N).
    """

    predicted: Tensor
    patches: Tensor
    hidden: Tensor


class MaskedAutoencoder(nn.Module):
    """A VisionTransformer, whose head is not used, and the decoder that learns with it.

    Images are of the size that the encoder's configuration says. Without a ``config``, the decoder is that of
    ``small_decoder``.
    """

    def __init__(self, encoder: VisionTransformer, config: MaskedDecoderConfig | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        size = encoder.config
        self.num_patches = size.grid**2
        self.decoder = MaskedDecoder(
            small_decoder(encoder) if config is None else config,
            in_width=size.width, patch_numbers=size.patch_size**2 * size.in_channels, grid=size.grid,
        )  # fmt: skip

    def forward(
        self, images_BCHW: Float[Tensor, "B C H W"], noise: Float[Tensor, "B N"], ratio: float
    ) -> MaskedReconstruction:
        """Hide the share ``ratio`` of the patches, those with the most ``noise``, and predict them."""
        mask = PatchMask.draw(noise, ratio)
        tokens = self.encoder.encode(self.encoder.patch_tokens(images_BCHW), mask.kept)
        return MaskedReconstruction(
            predicted=self.decoder(tokens, mask.restore),
            patches=patchify(images_BCHW, self.encoder.config.patch_size),
            hidden=mask.hidden,
        )


def small_decoder(encoder: VisionTransformer) -> MaskedDecoderConfig:
    """Return a decoder for small images: two blocks, half as wide as the encoder with half as many heads."""
    heads = max(1, encoder.config.heads // 2)
    return MaskedDecoderConfig(width=max(1, encoder.config.width // 2 // heads) * heads, depth=2, heads=heads)


def patchify(images_BCHW: Float[Tensor, "B C H W"], patch_size: int) -> Float[Tensor, "B N P"]:
    """Return the patches row by row, each as rows of pixels with their channels last; zeros are added on the right and
    below where a side is no multiple of ``patch_size``.
    """
    height, width = images_BCHW.shape[2:]
    padded = F.pad(images_BCHW, (0, -width % patch_size, 0, -height % patch_size))
    cells = padded.unfold(2, patch_size, patch_size).unfold(
        3, patch_size, patch_size
    )  # B, C, rows, columns, size, size
    return cells.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)


def unpatchify(patches: Float[Tensor, "B N P"], patch_size: int, columns: int) -> Float[Tensor, "B C H W"]:
    """Return the images whose ``patchify`` this is, ``columns`` patches wide."""
    channels = patches.shape[2] // patch_size**2
    cells = patches.reshape(len(patches), -1, columns, patch_size, patch_size, channels)
    return cells.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)
