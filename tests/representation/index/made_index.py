"""Small indexes for tests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capas.representation.index.manifest import IndexManifest
from capas.representation.index.writer import IndexWriter, create_index
from capas.representation.vectors import Precision, VectorItem

DATA = "/data"


def item(number: int) -> VectorItem:
    columns = {"class": ("cat", "dog", "owl")[number % 3], "year": str(1900 + number % 2)}
    return VectorItem(name=f"{number}.png", index=number, hash=f"{number:032x}", columns=columns)


def random_rows(count: int, dimensions: int = 4, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((count, dimensions), dtype=np.float32)


def index_of(
    place: Path, rows: NDArray[np.float32], items: Sequence[VectorItem] | None = None, *,
    precision: Precision = "float32", encoder: str = "net", medium: str = "image", data: str = DATA,
) -> Path:  # fmt: skip
    """An index of ``rows`` in ``place``/index."""
    folder = place / "index"
    manifest = IndexManifest(
        encoder=encoder, fingerprint="f", medium=medium, dimensions=rows.shape[1], precision=precision
    )
    create_index(folder, manifest)
    with IndexWriter(folder) as writer:
        writer.add(data, items if items is not None else [item(number) for number in range(len(rows))], rows)
    return folder
