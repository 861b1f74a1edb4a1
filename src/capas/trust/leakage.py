"""Test examples that the network has already seen while learning: the same, or the same saved again, moved or mirrored.

Within a data set ``capas.data.duplicates`` joins what is nearly equal before the splits are made; this looks across the
splits that were used, and also for what that misses: pictures that are moved by a pixel or two, mirrored, made lighter,
or stored smaller. Two steps on grey *prints* of at most 32×32, smoothed by (1 2 1)/4 both ways:

1. candidates: each test picture, as it is and mirrored, is moved by up to 2 print pixels both ways and compared with
   all training pictures at 14×14; the six most alike go on;
2. each is compared at full size where both overlap, at the best shift (correlation, mean removed). At ``LIKENESS`` or
   above it is a near duplicate. Measured on MNIST-5k (28×28, 1,000 against 3,500): of 100 planted copies each, saved as
   JPEG of quality 60, moved by 1 or 2 pixels, 20 % lighter, 30 % darker, at 56×56 or mirrored, all are found; of those
   at 20×20 99 %, at 14×14 a third. Of 1,000 test digits, which nobody planted, 7 or 8 are named too.

Texts: shingles of five letters of the normalised text, Jaccard similarity by MinHash (Broder, "On the resemblance and
containment of documents", 1997) to find candidates, exactly to decide. Tables: equal after normalising, no near ones.

Shapes: N training and M test examples, S = 32 the side of a print.
"""

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from capas.data.duplicates import grey_image
from capas.tasks.metrics import Rate, rate

SIDE: Final = 32
LIKENESS: Final = 0.99
JACCARD: Final = 0.8
_MIN_CONTRAST: Final = 2.0  # standard deviation in grey levels
_CANDIDATES: Final = 6
_COARSE: Final = 14
_REACH: Final = 2
_SHINGLE: Final = 5
_BANDS: Final = 16
_ROWS: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Leak:
    """Test example ``test`` resembles training example ``train``, 0..1; ``mirrored`` where it is turned round."""

    test: int
    train: int
    likeness: float
    mirrored: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class WithAndWithout:
    """The share of right answers on all test examples, on the leaked ones, and on the others."""

    all: Rate
    leaked: Rate
    clean: Rate


def print_of(picture: NDArray[np.uint8], side: int = SIDE) -> NDArray[np.uint8]:
    """uint8 H×W×C (C = 1 or 3) → its side×side grey print; the aspect ratio is ignored.

    ``side`` is the same for all that are compared: the pictures' own where that is below 32, so that a shift by whole
    pixels stays one.
    """
    grey = grey_image(picture)
    factor = max(1, min(grey.width, grey.height) // (4 * side))
    small = grey.reduce(factor) if factor > 1 else grey
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC), dtype=np.uint8)


def exact_leaks(train: Sequence[str], test: Sequence[str]) -> tuple[Leak, ...]:
    """Test examples whose key (content hash, normalised text or row) is that of a training example, the first such."""
    first: dict[str, int] = {}
    for i, key in enumerate(train):
        first.setdefault(key, i)
    return tuple(
        Leak(test=j, train=first[key], likeness=1.0, mirrored=False) for j, key in enumerate(test) if key in first
    )


def near_leaks(
    train: NDArray[np.uint8], test: NDArray[np.uint8], *, least: float = LIKENESS, batch: int = 256
) -> tuple[Leak, ...]:
    """For each test print (M×S×S) its most alike training print (N×S×S), where it is alike enough; time grows with
    N·M."""
    if not len(train) or not len(test):
        return ()
    held = _smooth(torch.from_numpy(train.copy()).float())
    asked = _smooth(torch.from_numpy(test.copy()).float())
    coarse = _units(F.adaptive_avg_pool2d(held, _COARSE).flatten(1)).T.contiguous()
    found: list[Leak] = []
    for start in range(0, len(asked), batch):
        part = asked[start : start + batch]
        ways = [_best(one, held, coarse) for one in (part, part.flip(2))]
        for row in range(len(part)):
            mirrored = bool(ways[1][0][row] > ways[0][0][row])
            likeness, which = float(ways[mirrored][0][row]), int(ways[mirrored][1][row])
            if likeness >= least:
                found.append(Leak(test=start + row, train=which, likeness=min(1.0, likeness), mirrored=mirrored))
    return tuple(found)


def _best(part: Tensor, held: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
    """(B) likeness and row of the training print that is most alike."""
    side = part.shape[1]
    padded = F.pad(part[:, None], (_REACH,) * 4, mode="replicate")[:, 0]
    likeness = torch.full((len(part), coarse.shape[1]), -1.0)
    for dy in range(2 * _REACH + 1):
        for dx in range(2 * _REACH + 1):
            moved = F.adaptive_avg_pool2d(padded[:, dy : dy + side, dx : dx + side], _COARSE)
            likeness = torch.maximum(likeness, _units(moved.flatten(1)) @ coarse)
    candidates = likeness.topk(min(_CANDIDATES, len(held)), dim=1).indices
    pairs = part.repeat_interleave(candidates.shape[1], 0), held[candidates.flatten()]
    best = aligned_likeness(*pairs).view(len(part), -1).max(1)
    return best.values, candidates.gather(1, best.indices[:, None])[:, 0]


def aligned_likeness(a: Float[Tensor, "P S S"], b: Float[Tensor, "P S S"]) -> Float[Tensor, " P"]:
    """The highest correlation over shifts of up to 2 pixels both ways, each where both overlap, −1..1.

    An even picture resembles nothing: 0.
    """
    best = torch.full((len(a),), -1.0)
    side = a.shape[1]
    for dy in range(-_REACH, _REACH + 1):
        for dx in range(-_REACH, _REACH + 1):
            rows, columns = (slice(max(0, d), side + min(0, d)) for d in (dy, dx))
            other_rows, other_columns = (slice(max(0, -d), side + min(0, -d)) for d in (dy, dx))
            one, two = a[:, rows, columns].flatten(1), b[:, other_rows, other_columns].flatten(1)
            best = torch.maximum(best, (_units(one) * _units(two)).sum(1))
    return best


def _smooth(prints: Tensor) -> Tensor:
    row = torch.tensor([0.25, 0.5, 0.25])
    padded = F.pad(prints[:, None], (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, (row[:, None] * row)[None, None])[:, 0]


def _units(rows: Tensor) -> Tensor:
    centred = rows - rows.mean(1, keepdim=True)
    norms = centred.norm(dim=1, keepdim=True)
    # Below this contrast a print is noise on an even ground.
    return torch.where(norms >= _MIN_CONTRAST * rows.shape[1] ** 0.5, centred / norms.clamp_min(1e-6), torch.zeros(()))


def normalised(text: str) -> str:
    """Compatibility forms, case and accents given up, white space and punctuation made one space.

    >>> normalised("  El  NIÑO, ¡ya! ") == normalised("el nino ya")
    True
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(re.findall(r"\w+", plain))


def near_text_leaks(train: Sequence[str], test: Sequence[str], *, least: float = JACCARD) -> tuple[Leak, ...]:
    """For each test text the training text with which it shares most shingles, where that is a share ≥ ``least``."""
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
        if likeness >= least:
            found.append(Leak(test=j, train=-which, likeness=likeness, mirrored=False))
    return tuple(found)


def _shingles(text: str) -> frozenset[str]:
    plain = normalised(text)
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


def with_and_without(right: Bool[Tensor, " M"], leaks: Sequence[Leak]) -> WithAndWithout:
    """The share of right answers with the leaked test examples and without them."""
    leaked = torch.zeros(len(right), dtype=torch.bool)
    leaked[torch.tensor([leak.test for leak in leaks], dtype=torch.long)] = True
    counts = ((right, torch.ones_like(leaked)), (right & leaked, leaked), (right & ~leaked, ~leaked))
    whole, seen, clean = (rate(int(hits.sum()), int(members.sum())) for hits, members in counts)
    return WithAndWithout(all=whole, leaked=seen, clean=clean)


def merged(*groups: Sequence[Leak]) -> tuple[Leak, ...]:
    """One leak per test example, the most alike; exact ones given first win ties."""
    best: dict[int, Leak] = {}
    for leak in (leak for group in groups for leak in group):
        if leak.test not in best or leak.likeness > best[leak.test].likeness:
            best[leak.test] = leak
    return tuple(best[j] for j in sorted(best))
