"""The first generative adversarial network: Goodfellow et al., "Generative Adversarial Networks", NIPS 2014
(arXiv:1406.2661), with the layers that its code has for digits.

A generator of fully connected layers makes images of noise; a discriminator of maxout units with dropout (Goodfellow
et al., "Maxout Networks", ICML 2013) says whether an image is real.

Where we deviate: noise is normal instead of uniform, images are in [-1, 1] with tanh instead of a sigmoid, and a
condition is put in as Mirza & Osindero, "Conditional Generative Adversarial Nets", 2014 (arXiv:1411.1784) have it.

Shapes: B batch, C×H×W an image, Z numbers of noise.
"""

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.networks.checks import check_at_least_one
from capas.networks.generative.class_condition import ClassCondition

PIECES: Final = 5  # of which a maxout unit takes the greatest
INPUT_DROPOUT: Final = 0.2
HIDDEN_DROPOUT: Final = 0.5
WEIGHT_RANGE: Final = 0.05  # weights begin uniform in ±0.05, as in the paper's code; biases at 0
SHRINK: Final = 0.005  # of the discriminator's weights: maxout units of larger ones drown the input


@dataclass(frozen=True, kw_only=True, slots=True)
class GANConfig:
    """The paper's network for digits.

    Attributes:
        shape: (C, H, W) of an image.
        noise: Numbers of noise Z.
        width: Units of each of the generator's two hidden layers.
        maxout: Units of each of the discriminator's two hidden layers.
        classes: Classes to choose from; 0 for none.
    """

    shape: tuple[int, int, int] = (1, 28, 28)
    noise: int = 100
    width: int = 1200
    maxout: int = 240
    classes: int = 0

    def __post_init__(self) -> None:
        check_at_least_one(noise=self.noise, width=self.width, maxout=self.maxout)
        check_at_least_one(**{f"shape[{i}]": side for i, side in enumerate(self.shape)})

    @property
    def numbers(self) -> int:
        """Numbers of an image."""
        channels, height, width = self.shape
        return channels * height * width


class GANGenerator(nn.Module):
    """Noise (B, Z) and classes (B,) → images (B, C, H, W) in [-1, 1]."""

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        self.config = config
        self.condition = ClassCondition(config.classes)
        self.layers = nn.Sequential(
            nn.Linear(config.noise + config.classes, config.width), nn.ReLU(),
            nn.Linear(config.width, config.width), nn.ReLU(),
            nn.Linear(config.width, config.numbers), nn.Tanh(),
        )  # fmt: skip
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                _draw(layer, WEIGHT_RANGE)

    def forward(self, noise: Float[Tensor, "B Z"], classes: Int[Tensor, " B"] | None = None) -> Tensor:
        """Return the images. Raises ValueError where ``classes`` are missing or superfluous."""
        images: Tensor = self.layers(self.condition.beside(noise, classes))
        return images.reshape(-1, *self.config.shape)


class GANDiscriminator(nn.Module):
    """Images (B, C, H, W) and classes (B,) → logits (B,), above 0 where an image seems real."""

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        self.condition = ClassCondition(config.classes)
        self.dropout = nn.Dropout(INPUT_DROPOUT)
        self.first = nn.Linear(config.numbers + config.classes, config.maxout * PIECES)
        self.second = nn.Linear(config.maxout, config.maxout * PIECES)
        self.hidden_dropout = nn.Dropout(HIDDEN_DROPOUT)
        self.last = nn.Linear(config.maxout, 1)
        for layer in (self.first, self.second, self.last):
            _draw(layer, SHRINK)

    def forward(self, images: Float[Tensor, "B C H W"], classes: Int[Tensor, " B"] | None = None) -> Tensor:
        """Return the logits. Raises ValueError where ``classes`` are missing or superfluous."""
        x = self.dropout(self.condition.beside(images.flatten(1), classes))
        x = self.hidden_dropout(_maxout(self.first(x)))
        logits: Tensor = self.last(self.hidden_dropout(_maxout(self.second(x))))
        return logits[:, 0]


def _maxout(units: Float[Tensor, "B N"]) -> Float[Tensor, "B M"]:
    return units.reshape(len(units), -1, PIECES).amax(2)


def _draw(layer: nn.Linear, limit: float) -> None:
    nn.init.uniform_(layer.weight, -limit, limit)
    with torch.no_grad():
        layer.bias.zero_()
