"""Vectors as a Parquet file: a column of lists of numbers, beside columns of anything; read whoever wrote it.

What Capas writes has the columns "name", "index", "hash", the items' own columns as "column.NAME", and "vector", a
list of fixed size; the manifest is in the file's metadata under ``capas``.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from capas.core.errors import CapasError
from capas.core.files import hash_file, write_error
from capas.representation.vectors import VectorItem, Vectors, VectorsManifest

if TYPE_CHECKING:
    import pyarrow

_KEY: Final = b"capas"
_PREFIX: Final = "column."
_NAMES: Final = ("name", "path", "file", "filename", "id")


def _pyarrow(path: Path) -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise CapasError("extra_missing", where=path, received="pyarrow", extra="tables") from error
    return pyarrow, parquet


def write_parquet_vectors(path: Path, vectors: Vectors) -> None:
    """Write vectors to ``path``, atomically. Raises CapasError ``extra_missing``, ``disk_full`` or
    ``cannot_write``.
    """
    arrow, parquet = _pyarrow(path)
    width = vectors.matrix.shape[1]
    flat = arrow.array(np.ascontiguousarray(vectors.matrix).reshape(-1))
    columns: dict[str, Any] = {
        "name": [item.name for item in vectors.items],
        "index": arrow.array([item.index for item in vectors.items], arrow.int64()),
        "hash": [item.hash for item in vectors.items],
        **{f"{_PREFIX}{name}": vectors.column(name) for name in vectors.columns},
        "vector": arrow.FixedSizeListArray.from_arrays(flat, width),
    }
    table = arrow.table(columns).replace_schema_metadata({_KEY: json.dumps(vectors.manifest.model_dump())})
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Uncompressed numbers of fixed size can be mapped; other columns compress well.
        parquet.write_table(table, part, compression="zstd", use_dictionary=False, write_page_checksum=True)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise write_error(path, error) from error


def has_vector_column(path: Path) -> bool:
    """Whether a Parquet file has a column of lists of numbers. Raises CapasError ``extra_missing``."""
    _, parquet = _pyarrow(path)
    return _vector_column(parquet.read_schema(path)) is not None


def read_parquet_vectors(path: Path) -> Vectors:
    """Read vectors. Raises CapasError ``no_such_vectors``, ``vectors_unreadable`` or ``extra_missing``."""
    arrow, parquet = _pyarrow(path)
    try:
        table = parquet.read_table(path)
    except (OSError, ValueError, arrow.ArrowException) as error:
        raise CapasError("vectors_unreadable", where=path, received=str(error).splitlines()[0][:200]) from error
    column = _vector_column(table.schema)
    if column is None:
        raise CapasError("no_such_vectors", where=path)
    matrix = _matrix(table.column(column).combine_chunks(), path)
    others = {name: table.column(name).to_pylist() for name in table.column_names if name != column}
    manifest = _manifest(table.schema.metadata or {}, matrix, path)
    return Vectors(matrix=matrix, items=_items(others, len(matrix)), manifest=manifest, where=str(path))


def _vector_column(schema: "pyarrow.Schema") -> str | None:
    """The column "vector" or "embedding", else the only column of lists of floats."""
    from pyarrow import types

    lists = [
        field.name for field in schema
        if (types.is_fixed_size_list(field.type) or types.is_list(field.type) or types.is_large_list(field.type))
        and types.is_floating(field.type.value_type)
    ]  # fmt: skip
    named = [name for name in lists if name.casefold() in ("vector", "embedding", "vectors", "embeddings")]
    return named[0] if named else lists[0] if len(lists) == 1 else None


def _matrix(cells: Any, path: Path) -> NDArray[np.floating]:
    flat = cells.flatten().to_numpy(zero_copy_only=False)
    count = len(cells)
    lengths = (
        {len(cell) if cell is not None else 0 for cell in cells.to_pylist()} if count and len(flat) % count else ()
    )
    if count == 0 or cells.null_count or lengths or len(flat) == 0:
        raise CapasError("vectors_unreadable", where=path, received=f"{count} × {sorted(lengths)[:4]}")
    matrix: NDArray[np.floating] = flat.reshape(count, -1)
    return matrix if matrix.dtype in (np.float16, np.float32) else matrix.astype(np.float32)


def _manifest(metadata: Mapping[bytes, bytes], matrix: NDArray[np.floating], path: Path) -> VectorsManifest:
    precision = "float16" if matrix.dtype == np.float16 else "float32"
    if _KEY in metadata:
        # What Capas wrote and something else changed is not taken for vectors of unknown origin.
        try:
            own = VectorsManifest.model_validate_json(metadata[_KEY])
        except ValidationError as error:
            raise CapasError("vectors_unreadable", where=path, received=str(error.errors()[0]["msg"])) from error
        if own.dimensions != matrix.shape[1] or own.precision != precision:
            received = f"{matrix.shape[1]} {precision}"
            raise CapasError("vectors_unreadable", where=path, received=received)
        return own
    return VectorsManifest(
        encoder="", fingerprint="", data=str(path.resolve().parent), data_hash=hash_file(path), medium="table",
        dimensions=matrix.shape[1], precision=precision, examples=len(matrix),
    )  # fmt: skip


def _items(columns: Mapping[str, list[object]], count: int) -> list[VectorItem]:
    named = next((columns[name] for name in _NAMES if name in columns), None)
    index, hashes = columns.get("index"), columns.get("hash")
    own = {
        name.removeprefix(_PREFIX): cells for name, cells in columns.items() if name not in ("name", "index", "hash")
    }
    return [
        VectorItem(
            name=f"#{row + 1}" if named is None else str(named[row]),
            index=value if index is not None and isinstance(value := index[row], int) else row,
            hash="" if hashes is None or hashes[row] is None else str(hashes[row]),
            columns={name: "" if cells[row] is None else str(cells[row]) for name, cells in own.items()},
        )
        for row in range(count)
    ]  # fmt: skip
