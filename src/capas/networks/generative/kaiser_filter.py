"""Low-pass filters between two sampling rates, as matrices: Appendix C of Karras et al., "Alias-Free Generative
Adversarial Networks", NeurIPS 2021 (arXiv:2106.12423).

A row of numbers stands for a continuous signal on an interval; the middle of the one is the middle of the other. The
filter is an ideal low-pass of a cutoff f_c, a sinc, in a Kaiser window w of length L that leaves a transition of ± f_h:

    h(t) = 2 f_c · sinc(2 f_c t) · w(2 t / L),    β of the window by Kaiser's formula from L and f_h.

Where we deviate: the filter is evaluated wherever it is needed, instead of on a finer grid, so that rows of any length
and rate have the same middle. Outside of the interval the signal is zero.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class LowPass:
    """A low-pass filter. Frequencies are in cycles over the width of the image, rates in samples over it.

    Attributes:
        cutoff: f_c, > 0.
        half_width: Half the width of the transition f_h, > 0.
        taps: Samples at ``rate`` that it extends over, ≥ 2.
        rate: The finer of the two sampling rates.
    """

    cutoff: float
    half_width: float
    taps: int
    rate: float

    @property
    def length(self) -> float:
        """L, in widths of the image."""
        return (self.taps - 1) / self.rate

    def response(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return h at ``times``, in widths of the image; its samples at ``rate`` sum to ``rate``."""
        scale = self.rate / self._shape(positions(self.taps, self.rate)).sum()
        scaled: NDArray[np.float64] = self._shape(times) * scale
        return scaled

    def _shape(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        beta = kaiser_beta(self.taps, 4 * self.half_width / self.rate)
        inside = 1 - np.square(2 * times / self.length)
        # Rounding must not cut off the outermost samples.
        window = np.i0(beta * np.sqrt(inside.clip(min=0))) * (inside > -1e-9)
        shape: NDArray[np.float64] = np.sinc(2 * self.cutoff * times) * window
        return shape


def kaiser_beta(taps: int, width: float) -> float:
    """Return the β of a Kaiser window of so many taps that leaves a transition of ``width``, a share of half the
    sampling rate: Kaiser's formulas as in Oppenheim & Schafer, "Discrete-Time Signal Processing", eqs. 7.75 and 7.76.
    SciPy has them too, in a module that takes a second to import.
    """
    attenuation = 2.285 * (taps - 1) * math.pi * width + 7.95
    if attenuation > 50:
        return 0.1102 * (attenuation - 8.7)
    over = max(0.0, attenuation - 21)
    return 0.5842 * math.pow(over, 0.4) + 0.07886 * over


def low_pass_matrix(
    low_pass: LowPass, *, size: int, rate: float, outputs: int, output_rate: float
) -> Float[Tensor, "M S"]:
    """Return the map of a row of ``size`` numbers at ``rate`` to ``outputs`` numbers at ``output_rate``."""
    made = positions(outputs, output_rate)[:, None]
    # Only the numbers that the filter reaches: most of a large matrix is zero.
    reached = np.arange(math.ceil(low_pass.length * rate) + 2)
    columns = np.floor((made - low_pass.length / 2) * rate + (size - 1) / 2).astype(np.int64) + reached
    values = low_pass.response(made - (columns - (size - 1) / 2) / rate) / rate
    rows, inside = np.broadcast_to(np.arange(outputs)[:, None], columns.shape), (columns >= 0) & (columns < size)
    matrix = np.zeros((outputs, size), np.float32)
    matrix[rows[inside], columns[inside]] = values[inside]
    return torch.from_numpy(matrix)


def positions(count: int, rate: float) -> NDArray[np.float64]:
    """Return the places of ``count`` samples around 0 in widths of the image.

    >>> positions(3, 2.0).tolist()
    [-0.5, 0.0, 0.5]
    """
    return (np.arange(count, dtype=np.float64) - (count - 1) / 2) / rate
