"""Sounds of the test that are a training sound again: louder or softer, a little earlier or later.

1. candidates: the mean spectrum of a sound, normalised, does not know how loud it is nor where it starts; the eight
   training sounds with the most similar one go on;
2. each is compared by the peak of the cross-correlation of the waveforms, over all shifts, divided by their norms: 1
   for a shifted or louder copy. At ``MIN_CORRELATION`` or above it is a near duplicate.

Shapes: waveforms (S,) of one sampling rate.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from capas.trust.leakage.train_test_overlap import Leak

MIN_CORRELATION: Final = 0.93
MAX_SAMPLES: Final = 1 << 18  # more of a sound is not compared
_WINDOW: Final = 256
_CANDIDATES: Final = 8


def near_duplicate_sounds(
    train: Sequence[NDArray[np.float32]], test: Sequence[NDArray[np.float32]], *, own: Sequence[int] = ()
) -> tuple[Leak, ...]:
    """Return for each test sound its most similar training sound, where similar enough.

    ``own`` are the training sounds that each must not be compared with: itself.
    """
    if not train or not test:
        return ()
    held = torch.stack([_mean_spectrum(wave) for wave in train])
    found = []
    for j, wave in enumerate(test):
        near = (held @ _mean_spectrum(wave)).topk(min(_CANDIDATES + 1, len(train))).indices.tolist()
        others = [i for i in near if not own or i != own[j]][:_CANDIDATES]
        likeness, best = max(((peak_correlation(wave, train[i]), -i) for i in others), default=(0.0, 0))
        if likeness >= MIN_CORRELATION:
            found.append(Leak(test=j, train=-best, similarity=min(1.0, likeness), mirrored=False))
    return tuple(found)


def peak_correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the largest correlation of two waveforms over all shifts, 0..1; 0 for silence."""
    x, y = (torch.from_numpy(np.ascontiguousarray(wave[:MAX_SAMPLES], dtype=np.float32)) for wave in (a, b))
    norms = float(x.norm() * y.norm())
    if norms < 1e-6:
        return 0.0
    size = 1 << (len(x) + len(y) - 1).bit_length()
    product = torch.fft.irfft(torch.fft.rfft(x, size) * torch.fft.rfft(y, size).conj(), size)
    return float(product.abs().max()) / norms


def _mean_spectrum(wave: NDArray[np.float32]) -> Float[Tensor, " F"]:
    x = torch.from_numpy(np.ascontiguousarray(wave[:MAX_SAMPLES], dtype=np.float32))
    x = functional.pad(x, (0, max(0, _WINDOW - len(x))))
    window = torch.hann_window(_WINDOW)
    power = torch.stft(x, _WINDOW, _WINDOW // 2, window=window, center=False, return_complex=True).abs().square()
    return functional.normalize(power.mean(1).sqrt(), dim=0)
