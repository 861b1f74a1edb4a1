"""Glow: Kingma & Dhariwal, "Glow: Generative Flow with Invertible 1×1 Convolutions", NeurIPS 2018 (arXiv:1807.03039).

An invertible network from images to noise of the same number of numbers, so that the likelihood of an image is exact:

    log p(x) = log N(z; 0, I) + log |det dz/dx|,  z = f(x).

One step of flow (Table 1): actnorm, y = s ⊙ x + b per channel; a 1×1 convolution y = W x, whose log-determinant is
H·W·log |det W|; an affine coupling, in which half of the channels is scaled and shifted by what three convolutions make
of the other half. Between the levels, images are squeezed to half the side and four times the channels, and half of the
channels leaves as noise (Section 3.6, Figure 2b). Noise that leaves early has a mean and a deviation that depend on
what stays.

Where we deviate: W is kept as it is, not as its LU decomposition (at most 48 channels here: its determinant costs
little); the first noise has the mean and deviation of its class, where classes are learnt.

Shapes: B batch, C×H×W an image or what became of it, K classes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one

Mixing = Literal["convolution", "permutation"]
LOG_2PI: Final = math.log(2 * math.pi)
INITIAL_SCALE: Final = 2.0  # σ(2): couplings begin near the identity, as in the paper's code
WEIGHT_DEVIATION: Final = 0.05
MIN_DEVIATION: Final = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class GlowConfig:
    """A small network for 28 or 32 pixels; the paper's for CIFAR-10 has 32 steps a level and width 512.

    Attributes:
        shape: (C, H, W) of an image; H and W are halved once for each level.
        levels: Levels L.
        steps: Steps of flow on each level.
        width: Channels inside the couplings.
        classes: Classes to choose from; 0 for none.
        mixing: How channels are mixed between couplings: by a learnt 1×1 convolution or, to compare with, by a fixed
            random permutation.
    """

    shape: tuple[int, int, int] = (1, 28, 28)
    levels: int = 2
    steps: int = 8
    width: int = 64
    classes: int = 0
    mixing: Mixing = "convolution"

    def __post_init__(self) -> None:
        check_at_least_one(levels=self.levels, steps=self.steps, width=self.width, channels=self.shape[0])
        for side in self.shape[1:]:
            if side % 2**self.levels or side < 2**self.levels:
                raise ValueError(f"a side of {side} pixels; expected a multiple of {2**self.levels}: it is halved")

    @property
    def shapes(self) -> tuple[tuple[int, int, int], ...]:
        """Shape of what is on each level, after it was squeezed."""
        (channels, height, width), found = self.shape, []
        for level in range(self.levels):
            channels, height, width = 4 * channels, height // 2, width // 2
            found.append((channels, height, width))
            channels = channels if level == self.levels - 1 else channels // 2
        return tuple(found)

    @property
    def noise_shapes(self) -> tuple[tuple[int, int, int], ...]:
        """Shape of the noise that leaves on each level; on the last one all that is left."""
        *early, last = self.shapes
        return (*((channels // 2, height, width) for channels, height, width in early), last)


class ActNorm(nn.Module):
    """A scale and a shift for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(1, channels, 1, 1))

    @torch.no_grad()
    def fit(self, x: Float[Tensor, "B C H W"]) -> None:
        """Let every channel of ``x`` come out with mean 0 and deviation 1 (Section 3.1)."""
        mean, deviation = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True)
        self.log_scale.copy_(-deviation.clamp(min=MIN_DEVIATION).log())
        self.shift.copy_(-mean * self.log_scale.exp())

    def forward(self, x: Float[Tensor, "B C H W"]) -> tuple[Tensor, Tensor]:
        """Return the result and its log-determinant (1,)."""
        return x * self.log_scale.exp() + self.shift, self.log_scale.sum()[None] * x.shape[2] * x.shape[3]

    def inverse(self, y: Float[Tensor, "B C H W"]) -> Tensor:
        """Return what ``forward`` makes ``y`` of."""
        return (y - self.shift) * (-self.log_scale).exp()


class ChannelMixing(nn.Module):
    """A 1×1 convolution that begins as a random rotation, or a fixed permutation."""

    def __init__(self, channels: int, mixing: Mixing) -> None:
        super().__init__()
        if mixing == "convolution":
            self.weight = nn.Parameter(torch.linalg.qr(torch.randn(channels, channels))[0])
        else:
            self.register_buffer("weight", torch.eye(channels)[torch.randperm(channels)])

    def forward(self, x: Float[Tensor, "B C H W"]) -> tuple[Tensor, Tensor]:
        """Return the result and its log-determinant (1,)."""
        # In full precision: a determinant of rounded numbers would be another one than that of the map.
        log_determinant = torch.linalg.slogdet(self.weight.float())[1][None]
        return _mixed(x, self.weight), log_determinant * x.shape[2] * x.shape[3]

    def inverse(self, y: Float[Tensor, "B C H W"]) -> Tensor:
        """Return what ``forward`` makes ``y`` of."""
        return _mixed(y, torch.linalg.inv(self.weight.double()).to(y.dtype))


class AffineCoupling(nn.Module):
    """The second half of the channels, scaled and shifted as the first one says, which stays."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.kept = channels // 2
        self.network = nn.Sequential(
            nn.Conv2d(self.kept, width, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 1), nn.ReLU(inplace=True),
            ZeroConv(width, 2 * (channels - self.kept)),
        )  # fmt: skip
        for layer in self.network:
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, 0.0, WEIGHT_DEVIATION)
                nn.init.constant_(cast(Tensor, layer.bias), 0.0)

    def forward(self, x: Float[Tensor, "B C H W"]) -> tuple[Tensor, Tensor]:
        """Return the result and its log-determinant (B,)."""
        kept, moved = x[:, : self.kept], x[:, self.kept :]
        log_scale, shift = self._terms(kept)
        return torch.cat([kept, (moved + shift) * log_scale.exp()], 1), log_scale.sum((1, 2, 3))

    def inverse(self, y: Float[Tensor, "B C H W"]) -> Tensor:
        """Return what ``forward`` makes ``y`` of."""
        kept, moved = y[:, : self.kept], y[:, self.kept :]
        log_scale, shift = self._terms(kept)
        return torch.cat([kept, moved * (-log_scale).exp() - shift], 1)

    def _terms(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        raw, shift = self.network(kept).float().chunk(2, 1)
        return F.logsigmoid(raw + INITIAL_SCALE), shift


class ZeroConv(nn.Module):
    """A 3×3 convolution that begins at zero, with a learnt scale (the paper's code): what it is part of begins as the
    identity.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        for parameter in self.convolution.parameters():
            nn.init.zeros_(parameter)
        self.log_scale = nn.Parameter(torch.zeros(1, out_channels, 1, 1))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """Return the result."""
        result: Tensor = self.convolution(x) * (3 * self.log_scale).exp()
        return result


class FlowStep(nn.Module):
    """Actnorm, mixing of channels, coupling."""

    def __init__(self, channels: int, width: int, mixing: Mixing) -> None:
        super().__init__()
        self.norm = ActNorm(channels)
        self.mixing = ChannelMixing(channels, mixing)
        self.coupling = AffineCoupling(channels, width)

    def forward(self, x: Float[Tensor, "B C H W"]) -> tuple[Tensor, Tensor]:
        """Return the result and its log-determinant (B,)."""
        total = x.new_zeros(len(x), dtype=torch.float32)
        for part in (self.norm, self.mixing, self.coupling):
            x, log_determinant = part(x)
            total = total + log_determinant
        return x, total

    def inverse(self, y: Float[Tensor, "B C H W"]) -> Tensor:
        """Return what ``forward`` makes ``y`` of."""
        return self.norm.inverse(self.mixing.inverse(self.coupling.inverse(y)))


class Glow(nn.Module):
    """Images (B, C, H, W), of any range, → standard normal noise of each level, and back."""

    def __init__(self, config: GlowConfig) -> None:
        super().__init__()
        self.config = config
        self.levels = nn.ModuleList(
            nn.ModuleList(FlowStep(channels, config.width, config.mixing) for _ in range(config.steps))
            for channels, _, _ in config.shapes
        )
        # Mean and log-deviation of the noise that leaves early, given what stays.
        self.priors = nn.ModuleList(ZeroConv(channels, 2 * channels) for channels, _, _ in config.noise_shapes[:-1])
        last = config.noise_shapes[-1][0]
        self.class_prior = nn.Embedding(config.classes, 2 * last) if config.classes else None
        if self.class_prior is not None:
            nn.init.zeros_(self.class_prior.weight)

    def forward(
        self, images: Float[Tensor, "B C H W"], classes: Int[Tensor, " B"] | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """Return the noise of each level and log |det dz/dx| (B,). Raises ValueError where ``classes`` are missing or
        superfluous.
        """
        noise, total, x = [], images.new_zeros(len(images), dtype=torch.float32), images
        for level, steps in enumerate(self.levels):
            x = squeeze(x)
            assert isinstance(steps, nn.ModuleList)
            for step in steps:
                x, log_determinant = step(x)
                total = total + log_determinant
            leaving, x = (x, x) if level == len(self.levels) - 1 else x.chunk(2, 1)
            mean, log_deviation = self._prior(level, x, classes)
            noise.append((leaving - mean) * (-log_deviation).exp())
            total = total - log_deviation.sum((1, 2, 3))
        return noise, total

    def log_likelihood(
        self, images: Float[Tensor, "B C H W"], classes: Int[Tensor, " B"] | None = None
    ) -> Float[Tensor, " B"]:
        """Return log p(x) of each image in nats, given its class where classes are learnt."""
        noise, total = self(images, classes)
        for z in noise:
            total = total - 0.5 * (z.float().square() + LOG_2PI).sum((1, 2, 3))
        result: Tensor = total
        return result

    def inverse(self, noise: Sequence[Tensor], classes: Int[Tensor, " B"] | None = None) -> Float[Tensor, "B C H W"]:
        """Return the images of the noise of each level."""
        x = noise[-1]
        for level in reversed(range(len(self.levels))):
            mean, log_deviation = self._prior(level, x, classes)
            leaving = noise[level] * log_deviation.exp() + mean
            x = leaving if level == len(self.levels) - 1 else torch.cat([leaving, x], 1)
            steps = self.levels[level]
            assert isinstance(steps, nn.ModuleList)
            for step in reversed(steps):
                assert isinstance(step, FlowStep)
                x = step.inverse(x)
            x = unsqueeze(x)
        return x

    @torch.no_grad()
    def fit_actnorm(self, images: Float[Tensor, "B C H W"]) -> None:
        """Begin with every actnorm's output at mean 0 and deviation 1 on ``images`` (Section 3.1)."""
        x = images
        for level, steps in enumerate(self.levels):
            x = squeeze(x)
            assert isinstance(steps, nn.ModuleList)
            for step in steps:
                assert isinstance(step, FlowStep)
                step.norm.fit(x)
                x = step(x)[0]
            x = x if level == len(self.levels) - 1 else x.chunk(2, 1)[1]

    def _prior(self, level: int, kept: Tensor, classes: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and log-deviation of the noise of a level, given what ``kept`` of it goes on, or the class."""
        if level < len(self.levels) - 1:
            mean, log_deviation = self.priors[level](kept).float().chunk(2, 1)
            return mean, log_deviation
        if (classes is None) != (self.class_prior is None):
            raise ValueError(f"classes are {'missing' if classes is None else 'superfluous'}")
        if self.class_prior is None or classes is None:
            return kept.new_zeros(1), kept.new_zeros(1, 1, 1, 1)
        mean, log_deviation = self.class_prior(classes)[:, :, None, None].chunk(2, 1)
        # As wide as the noise, so that its sum counts every place.
        return mean.expand_as(kept), log_deviation.expand_as(kept)


def squeeze(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
    """Return blocks of 2×2 pixels as channels."""
    return F.pixel_unshuffle(x, 2)


def unsqueeze(x: Float[Tensor, "B D h w"]) -> Float[Tensor, "B C H W"]:
    """Return the inverse of ``squeeze``."""
    return F.pixel_shuffle(x, 2)


def _mixed(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight.to(x.dtype)[:, :, None, None])
