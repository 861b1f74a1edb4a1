"""Small vectors for tests of maps: groups about a few directions."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from capas.representation.vectors import VectorItem, Vectors, VectorsManifest


def grouped(count: int = 60, groups: int = 3, dimensions: int = 8, seed: int = 0) -> NDArray[np.float32]:
    """Vectors of ``groups`` groups in turn, each near a direction of its own."""
    noise = np.random.default_rng(seed).normal(size=(count, dimensions)) * 0.1
    return (np.eye(groups, dimensions)[np.arange(count) % groups] + noise).astype(np.float32)


def vectors_of(
    matrix: NDArray[np.float32], columns: Mapping[str, Sequence[str]] | None = None, *, data: str = "/nowhere",
    medium: str = "image", names: Sequence[str] | None = None,
) -> Vectors:  # fmt: skip
    """Vectors with items and columns."""
    held = columns or {"class": ["abc"[i % 3] for i in range(len(matrix))]}
    items = [
        VectorItem(name=names[i] if names else f"{i}.png", index=i, columns={name: held[name][i] for name in held})
        for i in range(len(matrix))
    ]
    manifest = VectorsManifest(
        encoder="net", fingerprint="", data=data, data_hash="", medium=medium, dimensions=matrix.shape[1],
        precision="float32", examples=len(matrix),
    )  # fmt: skip
    return Vectors(matrix=matrix, items=items, manifest=manifest, where="vectors")
