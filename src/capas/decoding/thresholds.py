"""Thresholds of multi-label classification, tuned per tag on the validation split for F1.

Yang, "A Study of Thresholding Strategies for Text Categorization", SIGIR 2001, "SCut". A tag with few examples says
little about its own best threshold, so its counts are joined by those of ``PRIOR_EXAMPLES`` average examples of all
tags together: rare tags get nearly the common threshold, frequent ones their own.

Shapes: N examples, K tags.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

PRIOR_EXAMPLES = 20.0
# Candidates: steps of half a percentage point.
_GRID = 199


def tune_thresholds(
    probabilities: Float[Tensor, "N K"], tags: Bool[Tensor, "N K"], *, prior: float = PRIOR_EXAMPLES
) -> Float[Tensor, " K"]:
    """Return the threshold per tag in 0..1 that has the best F1 on these validation examples.

    A tag holds where its probability reaches the threshold. With ``prior`` 0 each tag stands alone; with a large one
    all tags share one threshold.
    """
    grid = torch.arange(1, _GRID + 1, dtype=torch.float64) / (_GRID + 1)
    called = torch.stack([(probabilities >= threshold).sum(0) for threshold in grid]).double()
    found = torch.stack([((probabilities >= threshold) & tags).sum(0) for threshold in grid]).double()
    present = tags.sum(0).double()
    share = prior / present.sum().clamp(min=1)
    called = called + share * called.sum(1, keepdim=True)
    found = found + share * found.sum(1, keepdim=True)
    present = present + share * present.sum()
    f1 = 2 * found / (called + present).clamp(min=1e-12)
    return grid[_middle_of_best(f1)].float()


def apply_thresholds(probabilities: Float[Tensor, "N K"], thresholds: Float[Tensor, " K"]) -> Bool[Tensor, "N K"]:
    """Return which tags hold, booleans (N, K)."""
    return probabilities >= thresholds


def _middle_of_best(f1: Float[Tensor, "G K"]) -> Tensor:
    # Between two probabilities all thresholds are as good: the middle of the best ones is the safest.
    best = f1 >= f1.amax(0) - 1e-12
    first = best.int().argmax(0)
    # Only the first stretch, should there be several.
    places = torch.arange(len(f1))[:, None]
    broken = ~best & (places > first)
    end = torch.where(broken.any(0), broken.int().argmax(0), len(f1)) - 1
    return (first + end) // 2
