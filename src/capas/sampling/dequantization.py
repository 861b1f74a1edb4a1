"""Pixels of 256 levels as continuous numbers, so that a density of them bounds the probability of the levels: Uria,
Murray & Larochelle, "RNADE", NIPS 2013; Theis, van den Oord & Bethge, "A note on the evaluation of generative models",
ICLR 2016 (arXiv:1511.01844), Section 3.1.

A level n of 0..255 is spread evenly over [n, n + 1), in units in which all levels are [-½, ½).
"""

import math
from typing import Final

from jaxtyping import Float
from torch import Tensor

LEVELS: Final = 256


def dequantized(images: Float[Tensor, "B C H W"], uniform: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Return images in [-1, 1] as numbers in [-½, ½); ``uniform`` is noise in [0, 1)."""
    levels = ((images.float() + 1) * (LEVELS - 1) / 2).round()
    return (levels + uniform) / LEVELS - 0.5


def quantized(numbers: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Return numbers in [-½, ½) as images of whole levels in [-1, 1]; what lies outside is cut."""
    levels = ((numbers.float() + 0.5) * LEVELS).floor().clamp(0, LEVELS - 1)
    return levels * 2 / (LEVELS - 1) - 1


def bits_per_dimension(log_likelihood: Float[Tensor, " B"], numbers: int) -> Float[Tensor, " B"]:
    """Return −log₂ p per number of an image of 256 levels.

    Args:
        log_likelihood: Of dequantized images, in nats.
        numbers: Numbers of an image.
    """
    return (math.log(LEVELS) - log_likelihood / numbers) / math.log(2)
