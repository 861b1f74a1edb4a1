"""Opening and writing vectors, whichever form they have: a folder, or a Parquet file."""

from pathlib import Path

from capas.core.errors import CapasError
from capas.core.files import content_hash, is_file
from capas.representation.parquet_vectors import has_vector_column, read_parquet_vectors, write_parquet_vectors
from capas.representation.vector_folder import MANIFEST, VectorWriter, is_unfinished, read_vector_folder
from capas.representation.vectors import BLOCK_ROWS, Vectors, refuse_without_direction

PARQUET = ".parquet"


def open_vectors(where: str | Path) -> Vectors:
    """Open vectors; those of a folder are memory-mapped.

    Raises:
        CapasError: ``no_such_vectors``, ``vectors_unfinished``, ``vectors_unreadable``, ``vectors_not_finite``,
            ``vectors_without_direction``, and ``extra_missing``.
    """
    path = Path(where)
    if path.suffix.casefold() == PARQUET and is_file(path):
        vectors = read_parquet_vectors(path)
    else:
        part = parquet_part(path)
        vectors = read_vector_folder(part if path.suffix.casefold() == PARQUET and is_unfinished(part) else path)
    refuse_without_direction(vectors.matrix, vectors.items, str(where))
    return vectors


def write_vectors(where: Path, vectors: Vectors) -> None:
    """Write vectors that are in memory, to a folder or a ``.parquet`` file. Raises CapasError as ``VectorWriter``."""
    if where.suffix.casefold() == PARQUET:
        write_parquet_vectors(where, vectors)
        return
    names_hash = content_hash("\n".join(item.name for item in vectors.items).encode())
    with VectorWriter(where, vectors.manifest, names_hash) as writer:
        for start in range(writer.done, len(vectors), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            writer.append(vectors.items[rows], vectors.matrix[rows])
        writer.finish()


def parquet_part(path: Path) -> Path:
    """Return the folder in which the rows of a Parquet file gather until it is written."""
    return path.with_name(f"{path.name}.part")


def holds_vectors(where: str | Path) -> bool:
    """Whether a path names vectors, unfinished ones included, which ``open_vectors`` refuses: a folder with
    ``vectors.json``, or a Parquet file with a column of lists.
    """
    path = Path(where)
    try:
        if path.suffix.casefold() == PARQUET:
            return has_vector_column(path) if is_file(path) else is_unfinished(parquet_part(path))
        return (path / MANIFEST).is_file() or is_unfinished(path)
    except (OSError, ValueError, CapasError):
        return False
