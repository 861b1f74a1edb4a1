"""The discriminator of StyleGAN2 and StyleGAN3: the residual network of Karras et al., CVPR 2020 (arXiv:1912.04958),
Figure 7, with the minibatch standard deviation of Karras et al., ICLR 2018 (arXiv:1710.10196), Section 3.

With classes the logit is that of a projection (Miyato & Koyama, "cGANs with Projection Discriminator", ICLR 2018):
what is linear in the features, plus their product with an embedding of the class.

Shapes: B batch, C×S×S an image, F features.
"""

import math
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.generative.filter_matrix import MatrixFilter, fir_matrix
from capas.networks.generative.style_layers import EPSILON, EqualizedConv2d, EqualizedLinear, leaky_relu
from capas.networks.generative.stylegan2 import BINOMIAL, StyleGAN2Config

GROUP: Final = 4  # images among which deviations are taken


class StyleDiscriminator(nn.Module):
    """Images (B, C, S, S) and classes (B,) → logits (B,), above 0 where an image seems real."""

    def __init__(self, config: StyleGAN2Config) -> None:
        super().__init__()
        self.classes = config.classes
        sides = config.sides[::-1]
        self.from_image = EqualizedConv2d(config.channels, config.width_at(sides[0]), 1)
        self.blocks = nn.ModuleList(
            ResidualHalving(config.width_at(side), config.width_at(side // 2), side) for side in sides[:-1]
        )
        width = config.width_at(sides[-1])
        self.convolution = EqualizedConv2d(width + 1, width, 3, padding=1)
        self.linear = EqualizedLinear(width * sides[-1] ** 2, width)
        self.logit = EqualizedLinear(width, 1)
        self.embedding = nn.Parameter(torch.randn(config.classes, width)) if config.classes else None

    def forward(
        self, images: Float[Tensor, "B C H W"], classes: Int[Tensor, " B"] | None = None
    ) -> Float[Tensor, " B"]:
        """Return the logits. Raises ValueError where ``classes`` are missing or superfluous."""
        if (classes is None) != (self.embedding is None):
            raise ValueError(f"classes are {'missing' if classes is None else 'superfluous'}; made for {self.classes}")
        hidden = leaky_relu(self.from_image(images))
        for block in self.blocks:
            hidden = block(hidden)
        hidden = torch.cat([hidden, minibatch_deviation(hidden)], 1)
        hidden = leaky_relu(self.convolution(hidden))
        features: Tensor = leaky_relu(self.linear(hidden.flatten(1)))
        logits: Tensor = self.logit(features).flatten()
        if classes is not None and self.embedding is not None:
            logits = logits + (self.embedding[classes] * features).sum(1) / math.sqrt(features.shape[1])
        return logits


class ResidualHalving(nn.Module):
    """Two convolutions and a shortcut; half as many pixels a side come out.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        side: Pixels a side in.
    """

    def __init__(self, inputs: int, outputs: int, side: int) -> None:
        super().__init__()
        self.first = EqualizedConv2d(inputs, inputs, 3, padding=1)
        self.blur = MatrixFilter(fir_matrix(BINOMIAL, side, side + 1, before=2))
        self.second = EqualizedConv2d(inputs, outputs, 3, stride=2)
        self.halve = MatrixFilter(fir_matrix(BINOMIAL, side, side // 2, before=1, down=2))
        self.shortcut = EqualizedConv2d(inputs, outputs, 1, bias=False)

    def forward(self, images: Float[Tensor, "B C S S"]) -> Tensor:
        made = leaky_relu(self.second(self.blur(leaky_relu(self.first(images)))))
        summed: Tensor = (made + self.shortcut(self.halve(images))) / math.sqrt(2)
        return summed


def minibatch_deviation(images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 H W"]:
    """Return a plane with the mean standard deviation of a number over a group of images: 0 for images that are all
    alike. Groups have as many images, up to ``GROUP``, as the batch can be divided into.
    """
    count, _, height, width = images.shape
    group = next(size for size in range(min(GROUP, count), 0, -1) if count % size == 0)
    grouped = images.float().reshape(group, count // group, -1)
    deviation = (grouped.var(0, correction=0) + EPSILON).sqrt().mean(1)
    return deviation.repeat(group)[:, None, None, None].expand(-1, 1, height, width).to(images)
