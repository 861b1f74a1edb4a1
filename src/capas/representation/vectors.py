"""Embedding vectors and the items that they belong to.

Shapes: N items, D dimensions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from capas.core.errors import CapasError

Precision = Literal["float32", "float16"]
Progress = Callable[[int, int], None]
FORMAT: Final = "capas-vectors"
BLOCK_ROWS: Final = 65_536  # that are looked at at once


class VectorsManifest(BaseModel):
    """``vectors.json``.

    Attributes:
        encoder: What made the vectors, as the user names it.
        fingerprint: Hash of its weights and preprocessing; vectors of different fingerprints cannot be compared. "" for
            vectors of unknown origin.
        data: The data, as an absolute path or a sample's name.
        data_hash: Hash of the names and contents of all items.
        medium: Medium of the items.
        dimensions: D.
        precision: Type of the numbers.
        examples: Number of examples of the data, those that failed included.
        failed: Why an example has no vector, by its name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal["capas-vectors"] = FORMAT
    version: Literal[1] = 1
    encoder: str
    fingerprint: str
    data: str
    data_hash: str
    medium: str
    dimensions: int
    precision: Precision
    examples: int
    failed: dict[str, str] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class VectorItem:
    """What is known of an item beside its vector.

    Attributes:
        name: Path relative to the data, or ``table.csv#17``.
        index: Its place in the data source.
        hash: Hash of its content; "" where unknown.
        columns: Its row of the table beside it, or its class; texts carry their beginning as "text".
    """

    name: str
    index: int
    hash: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Vectors:
    """Vectors and their items.

    Attributes:
        matrix: Shape (N, D), float32 or float16, perhaps memory-mapped.
        items: N items.
        manifest: What made them.
        where: Where they were read from.
    """

    matrix: NDArray[np.floating]
    items: Sequence[VectorItem]
    manifest: VectorsManifest
    where: str = ""

    def __len__(self) -> int:
        return len(self.items)

    @property
    def columns(self) -> list[str]:
        """Names of the columns that items have, in the order of their appearance."""
        return list(dict.fromkeys(name for item in self.items for name in item.columns))

    def column(self, name: str) -> list[str]:
        """Return a column, "" where an item lacks it. Raises CapasError ``no_such_column``."""
        if name not in self.columns:
            raise CapasError("no_such_column", where=self.where, received=", ".join(self.columns), column=name)
        return [item.columns.get(name, "") for item in self.items]

    @property
    def label_column(self) -> str | None:
        """The column of classes, for colours and labels: "class", else the only column with few values; None."""
        names = self.columns
        if "class" in names:
            return "class"
        few = [name for name in names if name != "text" and 1 < len(set(self.column(name))) <= max(2, len(self) // 5)]
        return few[0] if len(few) == 1 else None

    def normalised(self, rows: slice | NDArray[np.int64] = slice(None)) -> NDArray[np.float32]:
        """Return rows scaled to Euclidean length one, float32; a vector of zeros stays."""
        return unit_length(self.matrix[rows])


def unit_length(matrix: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the rows (N, D) scaled to Euclidean length one, float32; a row of zeros stays."""
    rows: NDArray[np.float32] = np.asarray(matrix, dtype=np.float32)
    lengths = _lengths(rows)[:, None]
    lengths[lengths == 0] = 1
    return rows / lengths


def have_direction(matrix: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which rows (N, D) can be compared, bool (N,): their numbers are finite, and so is their Euclidean length
    in float32, which is not zero.
    """
    lengths = _lengths(matrix)
    usable: NDArray[np.bool_] = np.isfinite(lengths) & (lengths > 0)
    return usable


def why_no_direction(row: NDArray[np.floating]) -> str:
    """Return in words why a vector (D,) for which ``have_direction`` is False is left out."""
    key = "vector_without_direction" if np.isfinite(row).all() else "answer_not_finite"
    return CapasError(key).part("what")


def _lengths(matrix: NDArray[np.floating]) -> NDArray[np.float32]:
    """Euclidean lengths (N,) of rows (N, D), float32: infinite or NaN where they cannot be told."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        rows = np.asarray(matrix, dtype=np.float32)
        lengths: NDArray[np.float32] = np.linalg.norm(rows, axis=1).astype(np.float32)
    return lengths


def refuse_without_direction(matrix: NDArray[np.floating], items: Sequence[VectorItem], where: str) -> None:
    """Refuse vectors that cannot be compared, with the first item that has such a one.

    Raises:
        CapasError: ``vectors_not_finite`` for NaN or infinity, ``vectors_without_direction`` for nothing but zeros, or
            numbers so large that the length of the vector overflows.
    """
    blocks = [have_direction(matrix[start : start + BLOCK_ROWS]) for start in range(0, len(matrix), BLOCK_ROWS)]
    bad = np.flatnonzero(~np.concatenate(blocks or [np.ones(0, dtype=bool)]))
    if not len(bad):
        return
    infinite = bad[~np.isfinite(matrix[bad]).all(axis=1)]
    chosen, key = (infinite, "vectors_not_finite") if len(infinite) else (bad, "vectors_without_direction")
    first = int(chosen[0])
    raise CapasError(key, where=where, received=items[first].name, row=first + 1, count=len(chosen))
