"""Near-duplicate images across splits, by correlation of small grey fingerprints over shifts and mirroring.

Fingerprints are grey images of at most 32×32, smoothed by (1 2 1)/4 both ways. Two steps:

1. candidates: each test image, as it is and mirrored, is moved by up to 2 pixels both ways and compared with all
   training images at 14×14; the six most similar go on;
2. each is compared at full size where both overlap, at the best shift (correlation, mean removed). At
   ``MIN_SIMILARITY`` or above it is a near duplicate.

Measured on MNIST-5k (28×28, 1,000 against 3,500): of 100 planted copies each, saved as JPEG of quality 60, moved by 1
or 2 pixels, 20 % lighter, 30 % darker, at 56×56 or mirrored, all are found; of those at 20×20 99 %, at 14×14 a third.
Of 1,000 test digits, which nobody planted, 7 or 8 are named too.

Shapes: N training and M test examples, S = 32 the side of a fingerprint.
"""

from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from capas.data.inspect.near_duplicates import grey_image
from capas.trust.leakage.train_test_overlap import Leak

SIDE: Final = 32
MIN_SIMILARITY: Final = 0.99
_MIN_CONTRAST: Final = 2.0  # standard deviation in grey levels
_CANDIDATES: Final = 6
_COARSE: Final = 14
_REACH: Final = 2


def image_fingerprint(image: NDArray[np.uint8], side: int = SIDE) -> NDArray[np.uint8]:
    """Return the side×side grey fingerprint of a uint8 image (H, W, C), C = 1 or 3; the aspect ratio is ignored.

    ``side`` is the same for all that are compared: the images' own where that is below 32, so that a shift by whole
    pixels stays one.
    """
    grey = grey_image(image)
    factor = max(1, min(grey.width, grey.height) // (4 * side))
    small = grey.reduce(factor) if factor > 1 else grey
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC), dtype=np.uint8)


def near_duplicate_images(
    train: NDArray[np.uint8],
    test: NDArray[np.uint8],
    *,
    own: NDArray[np.int64] | None = None,
    min_similarity: float = MIN_SIMILARITY,
    batch: int = 256,
) -> tuple[Leak, ...]:
    """Return for each test fingerprint (M, S, S) its most similar training fingerprint (N, S, S), where similar enough.

    ``own`` (M) are the rows of ``train`` that each must not be compared with: itself. Time grows with N·M.
    """
    if not len(train) or not len(test):
        return ()
    held = _smooth(torch.from_numpy(train.copy()).float())
    asked = _smooth(torch.from_numpy(test.copy()).float())
    coarse = _units(F.adaptive_avg_pool2d(held, _COARSE).flatten(1)).T.contiguous()
    found: list[Leak] = []
    for start in range(0, len(asked), batch):
        part = asked[start : start + batch]
        itself = None if own is None else torch.from_numpy(own[start : start + batch])
        ways = [_best(one, held, coarse, itself) for one in (part, part.flip(2))]
        for row in range(len(part)):
            mirrored = bool(ways[1][0][row] > ways[0][0][row])
            likeness, which = float(ways[mirrored][0][row]), int(ways[mirrored][1][row])
            if likeness >= min_similarity:
                found.append(Leak(test=start + row, train=which, similarity=min(1.0, likeness), mirrored=mirrored))
    return tuple(found)


def _best(part: Tensor, held: Tensor, coarse: Tensor, own: Tensor | None) -> tuple[Tensor, Tensor]:
    """(B) likeness and row of the training print that is most alike, other than ``own``."""
    side = part.shape[1]
    padded = F.pad(part[:, None], (_REACH,) * 4, mode="replicate")[:, 0]
    likeness = torch.full((len(part), coarse.shape[1]), -1.0)
    for dy in range(2 * _REACH + 1):
        for dx in range(2 * _REACH + 1):
            moved = F.adaptive_avg_pool2d(padded[:, dy : dy + side, dx : dx + side], _COARSE)
            likeness = torch.maximum(likeness, _units(moved.flatten(1)) @ coarse)
    if own is not None:
        likeness.scatter_(1, own[:, None], -2.0)
    candidates = likeness.topk(min(_CANDIDATES, len(held)), dim=1).indices
    pairs = part.repeat_interleave(candidates.shape[1], 0), held[candidates.flatten()]
    alike = aligned_similarity(*pairs).view(len(part), -1)
    # Among six or fewer it is a candidate all the same.
    best = (alike if own is None else alike.masked_fill(candidates == own[:, None], -1.0)).max(1)
    return best.values, candidates.gather(1, best.indices[:, None])[:, 0]


def aligned_similarity(a: Float[Tensor, "P S S"], b: Float[Tensor, "P S S"]) -> Float[Tensor, " P"]:
    """Return the highest correlation over shifts of up to 2 pixels both ways, each where both overlap, −1..1.

    A constant image has similarity 0 to everything.
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
