"""A pool of former images: Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial
Training", CVPR 2017, as Zhu et al. 2017 have it.

A discriminator that only ever sees the latest images of a generator forgets what it made before, and the two run in
circles. Half of what it is shown are therefore images that were made earlier.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolAnswer:
    """What a pool gives for new images.

    Attributes:
        images: What is shown to the discriminator (N, …).
        pool: The pool afterwards (P, …).
    """

    images: Tensor
    pool: Tensor


def ask_pool(
    pool: Float[Tensor, "P ..."], made: Float[Tensor, "N ..."], draws: Float[Tensor, "N 2"], size: int
) -> PoolAnswer:
    """Return the images to be shown for ``made``, one after the other, and the pool that this leaves behind.

    While the pool is not full an image is put into it and shown itself. Afterwards it is shown itself half of the time;
    else a former one is shown in its stead, whose place it takes.

    Args:
        pool: The former images.
        made: The new ones.
        draws: Uniform numbers in [0, 1) for each: whether a former one is shown, and which.
        size: Places of the pool, ≥ 0; 0 for none.
    """
    if not size:
        return PoolAnswer(images=made, pool=pool)
    held, shown = list(pool), []
    for image, (whether, which) in zip(made, draws.tolist(), strict=True):
        place = int(which * len(held))
        if len(held) < size:
            held.append(image)
            shown.append(image)
        elif whether < 0.5:
            shown.append(image)
        else:
            shown.append(held[place])
            held[place] = image
    return PoolAnswer(images=torch.stack(shown), pool=torch.stack(held))
