"""Lines to search in: tiny ones whose paths can all be listed, and long ones that are written out."""

from collections import defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import product

import numpy as np
from numpy.typing import NDArray

Line = NDArray[np.float64]

SPACE, COMMA, A, B = 1, 2, 3, 4
DELIMITERS = frozenset({SPACE, COMMA})


def noise(frames: int, labels: int, *, seed: int, sharp: float = 1.5) -> Line:
    """A posteriorgram of softmaxed normal numbers; every fifth frame is sure of one label."""
    logits = sharp * np.random.default_rng(seed).standard_normal((frames, labels))
    logits[::5] *= 6
    return softmax(logits)


def written(labels: Sequence[int], *, size: int, seed: int = 0, sure: float = 6.0, every: int = 4) -> Line:
    """A line that reads ``labels``, one every few frames with blanks between, and noise around it."""
    logits = np.random.default_rng(seed).standard_normal((every * len(labels), size))
    logits[:, 0] += sure
    logits[1::every, 0] -= sure
    logits[np.arange(1, len(logits), every), labels] += sure
    return softmax(logits)


def softmax(logits: Line) -> Line:
    parts: Line = np.exp(logits - logits.max(axis=1, keepdims=True))
    return parts / parts.sum(axis=1, keepdims=True)


def readings(line: Line) -> dict[tuple[int, ...], float]:
    """P(labels) for all labellings, summed over all K^T paths."""
    found: dict[tuple[int, ...], float] = defaultdict(float)
    for path in product(range(line.shape[1]), repeat=len(line)):
        merged = tuple(label for t, label in enumerate(path) if label and (t == 0 or path[t - 1] != label))
        found[merged] += float(np.prod([line[t, label] for t, label in enumerate(path)]))
    return found


def occurrences(labels: Sequence[int], letters: Sequence[AbstractSet[int]], delimiters: AbstractSet[int]) -> int:
    """How often a reading holds the word between delimiters; its ends count as delimiters."""
    pattern = [delimiters, *letters, delimiters]
    whole = [min(delimiters), *labels, min(delimiters)]
    places = range(len(whole) - len(pattern) + 1)
    return sum(all(whole[at + i] in allowed for i, allowed in enumerate(pattern)) for at in places)
