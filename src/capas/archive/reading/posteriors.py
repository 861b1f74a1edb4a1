"""Compressed storage of a line's posteriors: only the probable labels of every frame.

Of each frame the labels with a probability of ``LEAST`` or more are kept as 16-bit logarithms (steps of 1/4096 of a
factor e, below 0.03 %); what is left out shares the rest evenly. Everything that is later computed for a line (its
text, its spots, an exact probability) comes from these numbers, so that it is reproducible.
"""

import zlib
from typing import Final

import numpy as np
from jaxtyping import Float

LEAST: Final = 1e-4
_STEP: Final = 4096
_HEAD: Final = np.dtype([("frames", "<u4"), ("labels", "<u2"), ("kept", "<u4")])


def pack_posteriors(posteriors_TK: Float[np.ndarray, "T K"]) -> bytes:
    """Return a line's posteriors as bytes. Raises ValueError where they are not probabilities."""
    if posteriors_TK.ndim != 2 or not np.isfinite(posteriors_TK).all() or (posteriors_TK < 0).any():
        raise ValueError(f"{posteriors_TK.shape}; expected probabilities T×K")
    frames, labels = np.nonzero(posteriors_TK >= LEAST)
    steps = np.rint(-np.log(posteriors_TK[frames, labels].astype(np.float64).clip(max=1.0)) * _STEP)
    head = np.array([(*posteriors_TK.shape, len(frames))], dtype=_HEAD)
    counts = np.bincount(frames, minlength=len(posteriors_TK)).astype("<u2")
    body = counts.tobytes() + labels.astype("<u2").tobytes() + steps.astype("<u2").tobytes()
    return head.tobytes() + zlib.compress(body, 6)


def unpack_posteriors(content: bytes) -> Float[np.ndarray, "T K"]:
    """Return the posteriors of ``pack_posteriors``, float64, every frame summing to 1.

    Raises ValueError on other bytes.
    """
    try:
        head = np.frombuffer(content[: _HEAD.itemsize], dtype=_HEAD)[0]
        body = zlib.decompress(content[_HEAD.itemsize :])
    except (ValueError, IndexError, zlib.error) as error:
        raise ValueError(f"not a line's posteriors: {error}") from error
    frames, num_labels, kept = int(head["frames"]), int(head["labels"]), int(head["kept"])
    if len(body) != 2 * frames + 4 * kept:
        raise ValueError(f"not a line's posteriors: {len(body)} bytes for {kept} numbers")
    numbers = np.frombuffer(body, dtype="<u2")
    counts, labels, steps = np.split(numbers, [frames, frames + kept])
    posteriors_TK = np.zeros((frames, num_labels))
    posteriors_TK[np.repeat(np.arange(frames), counts), labels] = np.exp(steps / -_STEP)  # unsigned: -steps wraps
    rest_T = (1 - posteriors_TK.sum(axis=1)).clip(min=1e-9)
    absent = posteriors_TK == 0
    share_T = rest_T / absent.sum(axis=1).clip(min=1)
    posteriors_TK += absent * share_T[:, None]
    whole: Float[np.ndarray, "T K"] = posteriors_TK / posteriors_TK.sum(axis=1, keepdims=True)
    return whole
