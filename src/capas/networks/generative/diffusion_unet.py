"""The U-Net of denoising diffusion: Ho, Jain & Abbeel, "Denoising Diffusion Probabilistic Models", NeurIPS 2020
(arXiv:2006.11239), Appendix B.

Residual blocks with group normalisation at every resolution, self-attention at some, the level of noise added in every
block, and connections from every step of the way down to the same step of the way up. The configuration for CIFAR-10
has 35,746,307 parameters. What is predicted (the noise, v or the clean image) is a matter of the objective
(``capas.objectives.generative.diffusion``) and the sampler (``capas.sampling.diffusion``); images are in [-1, 1].

Beyond the paper: a class or a vector of context may be given (``noise_conditioning``), and narrow networks have fewer
groups than the paper's 32, at least four channels each.

Shapes: B batch, C channels of images, D channels inside, H×W an image, E numbers of the conditioning vector.
"""

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one
from capas.networks.generative.noise_conditioning import NoiseConditioning

MAX_GROUPS: Final = 32
EPSILON: Final = 1e-6
SMALL_WIDTH: Final = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class DiffusionUNetConfig:
    """The paper's network for CIFAR-10.

    Attributes:
        image_size: Pixels a side; halved once for each multiplier but the first.
        channels: C.
        width: Channels at full resolution, a multiple of 4.
        multipliers: Channels at each resolution as multiples of ``width``, full resolution first.
        blocks: Residual blocks at each resolution on the way down; one more on the way up.
        attention: Sides in pixels of the resolutions that have self-attention; the lowest always has, in the middle.
        dropout: In [0, 1).
        num_classes: Classes to choose from; 0 for none.
        context_width: Numbers of a vector that says what is wanted, such as an embedded text; 0 for none.
    """

    image_size: int = 32
    channels: int = 3
    width: int = 128
    multipliers: tuple[int, ...] = (1, 2, 2, 2)
    blocks: int = 2
    attention: tuple[int, ...] = (16,)
    dropout: float = 0.1
    num_classes: int = 0
    context_width: int = 0

    def __post_init__(self) -> None:
        check_at_least_one(image_size=self.image_size, channels=self.channels, width=self.width, blocks=self.blocks)
        check_at_least_one(**{f"multipliers[{i}]": factor for i, factor in enumerate(self.multipliers)})
        divisor = 2 ** (len(self.multipliers) - 1)
        if not self.multipliers or self.image_size % divisor:
            raise ValueError(f"image_size is {self.image_size}; expected a multiple of {divisor}: it is halved")
        if self.width % 4 or self.width % self.groups:
            raise ValueError(f"width is {self.width}; expected a multiple of 4 that {MAX_GROUPS} groups divide")
        if unknown := set(self.attention) - set(self.sides):
            raise ValueError(f"attention at {sorted(unknown)} pixels; expected some of {self.sides}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; expected 0 ≤ dropout < 1")

    @property
    def sides(self) -> tuple[int, ...]:
        """Pixels a side of every resolution."""
        return tuple(self.image_size // 2**level for level in range(len(self.multipliers)))

    @property
    def groups(self) -> int:
        """Groups of channels that are normalised together."""
        return min(MAX_GROUPS, self.width // 4)


class NoisyResidualBlock(nn.Module):
    """Images (B, D, H, W) and conditioning vectors (B, E) → (B, D', H, W)."""

    def __init__(self, in_channels: int, out_channels: int, *, condition: int, groups: int, dropout: float) -> None:
        super().__init__()
        self.first_norm = nn.GroupNorm(groups, in_channels, eps=EPSILON)
        self.first = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.condition = nn.Linear(condition, out_channels)
        self.second_norm = nn.GroupNorm(groups, out_channels, eps=EPSILON)
        self.dropout = nn.Dropout(dropout)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        same = in_channels == out_channels
        self.shortcut: nn.Module = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Float[Tensor, "B D H W"], condition: Float[Tensor, "B E"]) -> Tensor:
        """Return x, or its projection, plus what the two convolutions make of it."""
        hidden = self.first(F.silu(self.first_norm(x)))
        hidden = hidden + self.condition(F.silu(condition))[:, :, None, None]
        hidden = self.second(self.dropout(F.silu(self.second_norm(hidden))))
        result: Tensor = self.shortcut(x) + hidden
        return result


class PixelSelfAttention(nn.Module):
    """Every pixel attends to all, one head: (B, D, H, W) → (B, D, H, W)."""

    def __init__(self, channels: int, *, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=EPSILON)
        self.projection = nn.Linear(channels, 3 * channels)  # queries, keys, values
        self.output = nn.Linear(channels, channels)

    def forward(self, x: Float[Tensor, "B D H W"]) -> Float[Tensor, "B D H W"]:
        """Return x plus what its pixels attend to."""
        pixels = self.norm(x).flatten(2).transpose(1, 2)
        queries, keys, values = self.projection(pixels)[:, None].chunk(3, dim=3)
        attended: Tensor = self.output(F.scaled_dot_product_attention(queries, keys, values)[:, 0])
        # A view that has the strides of channels-last.
        return x + attended.transpose(1, 2).view(x.shape)


class ResidualStep(nn.Module):
    """A residual block, with self-attention behind it where ``attends``."""

    def __init__(self, residual: NoisyResidualBlock, attention: PixelSelfAttention | None) -> None:
        super().__init__()
        self.residual = residual
        self.attention: nn.Module = nn.Identity() if attention is None else attention

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return (B, D', H, W)."""
        result: Tensor = self.attention(self.residual(x, condition))
        return result


class HalvedResolution(nn.Module):
    """(B, D, H, W) → (B, D, H/2, W/2) by a convolution of stride 2, padded on the right and below as in the paper."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return the smaller maps; ``condition`` plays no part."""
        result: Tensor = self.convolution(F.pad(x, (0, 1, 0, 1)))
        return result


class DoubledResolution(nn.Module):
    """(B, D, H, W) → (B, D, 2H, 2W): pixels repeated, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return the larger maps; ``condition`` plays no part."""
        result: Tensor = self.convolution(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return result


class DiffusionUNet(nn.Module):
    """Noisy images (B, C, H, W), timesteps (B,) and conditions → predictions (B, C, H, W)."""

    def __init__(self, config: DiffusionUNetConfig) -> None:
        super().__init__()
        self.config = config
        width, groups, dropout = config.width, config.groups, config.dropout
        condition = 4 * width

        def step(in_channels: int, out_channels: int, attends: bool) -> ResidualStep:
            block = NoisyResidualBlock(
                in_channels, out_channels, condition=condition, groups=groups, dropout=dropout
            )  # fmt: skip
            return ResidualStep(block, PixelSelfAttention(out_channels, groups=groups) if attends else None)

        self.conditioning = NoiseConditioning(
            width, condition, num_classes=config.num_classes, context_width=config.context_width
        )
        self.first = nn.Conv2d(config.channels, width, 3, padding=1)
        levels = [(width * factor, side) for factor, side in zip(config.multipliers, config.sides, strict=True)]
        present, skips = width, [width]
        self.encoder = nn.ModuleList()
        for level, (channels, side) in enumerate(levels):
            for _ in range(config.blocks):
                self.encoder.append(step(present, channels, side in config.attention))
                present = channels
                skips.append(present)
            if level < len(levels) - 1:
                self.encoder.append(HalvedResolution(present))
                skips.append(present)
        self.middle = nn.ModuleList([step(present, present, True), step(present, present, False)])
        self.decoder = nn.ModuleList()
        for level, (channels, side) in reversed(list(enumerate(levels))):
            for _ in range(config.blocks + 1):
                self.decoder.append(step(present + skips.pop(), channels, side in config.attention))
                present = channels
            if level:
                self.decoder.append(DoubledResolution(present))
        self.norm = nn.GroupNorm(groups, present, eps=EPSILON)
        self.last = nn.Conv2d(present, config.channels, 3, padding=1)
        self._initialise()

    def forward(
        self, noisy_BCHW: Float[Tensor, "B C H W"], timesteps: Float[Tensor, " B"], condition: Tensor | None = None
    ) -> Float[Tensor, "B C H W"]:
        """Return what is predicted: the noise, v or the clean images, as it was trained.

        Args:
            noisy_BCHW: Noisy images; clean ones are in [-1, 1].
            timesteps: Level of noise of each image, in steps of the schedule; need not be whole.
            condition: Class indices (B,) or context (B, V); None for "no condition".

        Raises ValueError for a condition of another kind than the network was made for.
        """
        vectors = self.conditioning(timesteps, condition)
        x = self.first(noisy_BCHW)
        skips = [x]
        for layer in self.encoder:
            x = layer(x, vectors)
            skips.append(x)
        for layer in self.middle:
            x = layer(x, vectors)
        for layer in self.decoder:
            joined = x if isinstance(layer, DoubledResolution) else torch.cat([x, skips.pop()], dim=1)
            x = layer(joined, vectors)
        result: Tensor = self.last(F.silu(self.norm(x)))
        return result

    def null_condition(self, condition: Tensor) -> Tensor:
        """Return conditions of the same shape that all say "no condition"."""
        return self.conditioning.null_condition(condition)

    def _initialise(self) -> None:
        """As the paper's code: uniform by fan-in and fan-out, biases at zero; what ends a branch begins at zero, so
        that every branch adds nothing at first."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        ends = [m.second if isinstance(m, NoisyResidualBlock) else m.output for m in self.modules()
                if isinstance(m, NoisyResidualBlock | PixelSelfAttention)]  # fmt: skip
        for end in [*ends, self.last]:
            nn.init.zeros_(end.weight)


def small_diffusion_unet(
    *, image_size: int, channels: int, num_classes: int = 0, context_width: int = 0, width: int | None = None
) -> DiffusionUNet:
    """Build a U-Net for a CPU: three resolutions, one block each on the way down, attention at the lowest.

    About 1.1 million parameters at the default width.

    Args:
        image_size: Pixels a side, a multiple of 4.
        channels: 1 for grey images, 3 for colour.
        num_classes: Classes to choose from; 0 for none.
        context_width: Numbers of a context vector; 0 for none.
        width: Channels at full resolution; None for the default of 32.
    """
    return DiffusionUNet(
        DiffusionUNetConfig(
            image_size=image_size, channels=channels, width=SMALL_WIDTH if width is None else width,
            multipliers=(1, 2, 2), blocks=1, attention=(image_size // 4,), dropout=0.0, num_classes=num_classes,
            context_width=context_width,
        )
    )  # fmt: skip
