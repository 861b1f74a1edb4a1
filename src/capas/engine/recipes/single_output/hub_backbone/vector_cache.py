"""The vectors of a run's examples, kept in its cache so that a resumed run does not compute them again."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.files import content_hash, read_regular, write_atomic

CHUNK: Final = 64
MAX_BYTES: Final = 1_000_000_000


def cached_vectors(
    folder: Path,
    fingerprint: str,
    hashes: Sequence[str],
    encode: Callable[[Sequence[int]], NDArray[np.float32]],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Float[Tensor, "N D"]:
    """Return the vectors of all examples, in their order; those that lie in ``folder`` are read from it.

    Args:
        folder: Where they are kept, a file for every 64 examples.
        fingerprint: That of the encoder.
        hashes: Hash of the content of each example.
        encode: Returns the vectors (B, D) of examples by their positions.
        progress: Called with (done, total).

    Raises:
        CapasError: Those of ``encode``, and ``disk_full`` or ``cannot_write``.
    """
    parts = []
    for start, end in pairwise([*range(0, len(hashes), CHUNK), len(hashes)]):
        name = content_hash("\n".join([fingerprint, *hashes[start:end]]).encode())
        path = folder / f"{name}.safetensors"
        vectors = _read(path, end - start)
        if vectors is None:
            vectors = torch.from_numpy(encode(range(start, end)))
            if not bool(vectors.isfinite().all()):
                raise CapasError("hub_not_finite", where=str(folder), received=fingerprint[:8])
            write_atomic(path, save({"vectors": vectors.contiguous()}))
        parts.append(vectors)
        progress(end, len(hashes))
    return torch.cat(parts)


def _read(path: Path, count: int) -> Tensor | None:
    """The vectors in a file; None where there is none, or another than was written."""
    try:
        vectors = load(read_regular(path, max_bytes=MAX_BYTES)).get("vectors")
    except (OSError, SafetensorError):
        return None
    return vectors if vectors is not None and vectors.ndim == 2 and len(vectors) == count else None
