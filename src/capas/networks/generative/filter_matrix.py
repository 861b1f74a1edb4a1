"""Filters that change the number of pixels of an image, as matrices that are multiplied from both sides.

A separable filter with its padding, cropping and change of sampling rate is one linear map A along an axis, so that
an image X becomes A X Aᵀ. On a CPU two dense products are several times as fast as a convolution by channel for images
of up to about 128 pixels, and their second derivatives, which gradient penalties need, cost as little. Above that size
the zeros of A are what costs most.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn


class MatrixFilter(nn.Module):
    """Images (B, C, S, S) → (B, C, M, M).

    Args:
        matrix: (M, S); follows from the configuration, and is not saved.
    """

    matrix: Tensor

    def __init__(self, matrix: Float[Tensor, "M S"]) -> None:
        super().__init__()
        self.register_buffer("matrix", matrix.float(), persistent=False)

    def forward(self, images: Float[Tensor, "B C S S"]) -> Float[Tensor, "B C M M"]:
        filtered: Tensor = self.matrix @ images @ self.matrix.T
        return filtered


def fir_matrix(
    taps: Sequence[float], size: int, outputs: int, *, before: int, up: int = 1, down: int = 1
) -> Float[Tensor, "M S"]:
    """Return the map of a symmetric filter of finite length.

    ``up − 1`` zeros are put behind each of ``size`` numbers and ``before`` zeros before the first; the filter is
    applied at every ``down``-th place. Beyond the last number are zeros.

    Args:
        taps: The filter.
        size: Numbers in.
        outputs: Numbers out.
        before: Zeros before the first number.
        up: By what the sampling rate is multiplied.
        down: By what it is then divided.
    """
    matrix = np.zeros((outputs, size), np.float32)
    for row in range(outputs):
        for number, tap in enumerate(taps):
            place = row * down + number - before
            if place % up == 0 and 0 <= place // up < size:
                matrix[row, place // up] += tap
    return torch.from_numpy(matrix)
