"""Random seeds: every use of randomness draws from a stream of its own, derived from the run's seed and a name.

Two streams never share numbers, so adding a draw in one place changes nothing elsewhere; and a stream's position is a
few thousand bytes that a checkpoint can hold.
"""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch  # heavy: a derived seed needs none of it


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a 63-bit seed for the stream ``names`` of the run with this ``seed``.

    >>> derive_seed(1, "augment") != derive_seed(1, "order")
    True
    """
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def seeded_generator(seed: int, *names: str | int) -> "torch.Generator":
    """Return a CPU generator for the stream ``names``."""
    import torch

    return torch.Generator().manual_seed(derive_seed(seed, *names))
