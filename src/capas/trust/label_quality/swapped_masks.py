"""Masks of another picture: one that hardly agrees with what the model sees, while another one of the data fits.

A model that has learnt from mostly right masks draws each picture's own. Where the drawn mask agrees far less with the
given one than usual, and as well as usual with the mask of some other picture, the files were mixed up. The agreement
is the mean over the classes of intersection over union, at ``SIDE``×``SIDE``.

Shapes: N examples, M masks, K classes, S = ``SIDE``.
"""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

SIDE: Final = 24
FAR_BELOW: Final = 0.6  # of the usual agreement
NEAR: Final = 0.85  # of the usual agreement


def class_shares(mask: Tensor, classes: int) -> Float[Tensor, "K S S"]:
    """Return the share of each class in each cell of a mask (H, W); pixels without a class count for none."""
    held = torch.stack([(mask == k).float() for k in range(classes)])
    return functional.adaptive_avg_pool2d(held, SIDE)


def mask_agreement(a: Float[Tensor, "N K S S"], b: Float[Tensor, "M K S S"]) -> Float[Tensor, "N M"]:
    """Return the mean intersection over union of each pair, 0..1, over the classes that one of the two has."""
    x, y = a.flatten(2), b.flatten(2)
    total, held = torch.zeros(len(a), len(b)), torch.zeros(len(a), len(b))
    for k in range(a.shape[1]):
        both = torch.stack([torch.minimum(one, y[:, k]).sum(1) for one in x[:, k]])
        either = x[:, k].sum(1)[:, None] + y[:, k].sum(1)[None] - both
        total += torch.where(either > 1, both / either.clamp(min=1e-9), 0)
        held += (either > 1).float()
    return total / held.clamp(min=1)


def swapped_masks(
    drawn: Float[Tensor, "N K S S"], own: Float[Tensor, "N K S S"], others: Float[Tensor, "M K S S"]
) -> list[tuple[int, int]]:
    """Return (example, other mask) where the mask of another picture fits and its own does not.

    ``others`` are all masks that may have been mixed up.
    """
    agreed = torch.stack([mask_agreement(d[None], o[None])[0, 0] for d, o in zip(drawn, own, strict=True)])
    usual = float(agreed.median())
    low = (agreed < FAR_BELOW * usual).nonzero()[:, 0]
    found = []
    for i in low.tolist():
        elsewhere = mask_agreement(drawn[i : i + 1], others)[0]
        best = int(elsewhere.argmax())
        if float(elsewhere[best]) >= NEAR * usual:
            found.append((i, best))
    return found
