"""Near-duplicate texts across splits, by Jaccard similarity of character shingles.

Shingles of five letters of the normalised text; candidates by MinHash (Broder, "On the resemblance and containment of
documents", 1997), decided by the exact similarity.
"""

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np

from capas.trust.leakage.train_test_overlap import (
    Leak,
)

MIN_JACCARD: Final = 0.8
_SHINGLE: Final = 5
_BANDS: Final = 16
_ROWS: Final = 4


def normalized_for_matching(text: str) -> str:
    """Fold compatibility forms, case and accents; collapse white space and punctuation to one space.

    >>> normalized_for_matching("  El  NIÑO, ¡ya! ") == normalized_for_matching("el nino ya")
    True
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(re.findall(r"\w+", plain))


def near_duplicate_texts(
    train: Sequence[str], test: Sequence[str], *, min_jaccard: float = MIN_JACCARD
) -> tuple[Leak, ...]:
    """Return for each test text the training text of the highest Jaccard similarity, if ≥ ``min_jaccard``."""
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    held = [_shingles(text) for text in train]
    for i, shingles in enumerate(held):
        for key in _band_keys(shingles):
            buckets[key].append(i)
    found = []
    for j, text in enumerate(test):
        own = _shingles(text)
        candidates = sorted({i for key in _band_keys(own) for i in buckets.get(key, ())})
        scored = [(len(own & held[i]) / len(own | held[i]), -i) for i in candidates]
        likeness, which = max(scored, default=(0.0, 0))
        if likeness >= min_jaccard:
            found.append(Leak(test=j, train=-which, similarity=likeness, mirrored=False))
    return tuple(found)


def _shingles(text: str) -> frozenset[str]:
    plain = normalized_for_matching(text)
    return (
        frozenset(plain[i : i + _SHINGLE] for i in range(max(1, len(plain) - _SHINGLE + 1))) if plain else frozenset()
    )


def _band_keys(shingles: frozenset[str]) -> list[tuple[int, bytes]]:
    """16 bands of 4 MinHashes: texts that share 80 % of their shingles meet in one with probability 0.9998."""
    if not shingles:
        return []
    codes = [int.from_bytes(hashlib.blake2b(s.encode(), digest_size=4).digest(), "big") for s in sorted(shingles)]
    factors = np.random.default_rng(0).integers(1, 1 << 32, (2, _BANDS * _ROWS), dtype=np.uint64)
    mixed = np.array(codes, dtype=np.uint64)[:, None] * factors[0] + factors[1]
    least = (mixed >> np.uint64(32)).min(0).reshape(_BANDS, _ROWS)
    return [(band, row.tobytes()) for band, row in enumerate(least)]
