"""Compressed storage of a line's posteriors: only the probable labels of every frame.

Of each frame the labels with a probability of ``LEAST`` or more are kept as 16-bit logarithms (steps of 1/4096 of a
factor e, below 0.03 %); what is left out shares the rest evenly. Everything that is later computed for a line (its
text, its spots, an exact probability) comes from these numbers, so that it is reproducible.
"""

import zlib
from typing import Final

import numpy as np
from jaxtyping import Float

from capas.core.errors import CapasError

LEAST: Final = 1e-4
MAX_PROBABILITIES: Final = 50_000_000  # of one line
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

    Raises CapasError ``archive_unreadable`` on other bytes: they may be of somebody else's archive.
    """
    try:
        head = np.frombuffer(content[: _HEAD.itemsize], dtype=_HEAD)[0]
        frames, num_labels, kept = int(head["frames"]), int(head["labels"]), int(head["kept"])
        size = 2 * frames + 4 * kept
        if kept > frames * num_labels or frames * (num_labels + 1) > MAX_PROBABILITIES:
            raise ValueError(f"{frames} × {num_labels}, {kept}")
        decoder = zlib.decompressobj()
        body = decoder.decompress(content[_HEAD.itemsize :], size + 1)
        if len(body) != size or not decoder.eof:  # at its end the check sum was right
            raise ValueError(f"{len(body)} / {size}")
        counts, labels, steps = np.split(np.frombuffer(body, dtype="<u2"), [frames, frames + kept])
        if int(counts.sum()) != kept or (kept and int(labels.max()) >= num_labels):
            raise ValueError(f"{int(counts.sum())} / {kept}")
    except (ValueError, IndexError, zlib.error) as error:
        raise CapasError("archive_unreadable", where="posteriors", received=str(error)) from error
    posteriors_TK = np.zeros((frames, num_labels))
    posteriors_TK[np.repeat(np.arange(frames), counts), labels] = np.exp(steps / -_STEP)  # unsigned: -steps wraps
    rest_T = (1 - posteriors_TK.sum(axis=1)).clip(min=1e-9)
    absent = posteriors_TK == 0
    share_T = rest_T / absent.sum(axis=1).clip(min=1)
    posteriors_TK += absent * share_T[:, None]
    whole: Float[np.ndarray, "T K"] = posteriors_TK / posteriors_TK.sum(axis=1, keepdims=True)
    return whole
