"""What an index holds, and its folder.

    INDEX/
      index.json           what it holds, and which generation of the files is the present one
      00000001.journal     which rows and lines are valid (``journal``)
      00000001.vectors     a row each, of length one, float32 or float16
      00000001.items       a line of JSON each: name, place in the data, hash, columns
      00000001.cells       for the approximate search; made of the others, and made again where it is missing

Every file is only appended to. A new generation is written beside the old one, and ``index.json`` then names it.
"""

import re
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from capas.core.errors import CapasError
from capas.core.files import read_regular, write_json
from capas.core.parsing import parse_json
from capas.representation.vectors import Precision, VectorsManifest

INDEX_FILE: Final = "index.json"
INDEX_FORMAT: Final = "capas-index"
JOURNAL, VECTORS, ITEMS, CELLS = "journal", "vectors", "items", "cells"
CELL_FACTS: Final = "cells.json"
MAX_INDEX_FILE_BYTES: Final = 1_000_000
GENERATION_FILE: Final = re.compile(r"(\d{8})\.(?:journal|vectors|items|cells|cells\.json)")


class IndexManifest(BaseModel):
    """``index.json``.

    Attributes:
        encoder: What made the vectors, as the user names it; "" where unknown.
        fingerprint: Hash of its weights and preprocessing; "" for vectors of unknown origin.
        medium: Medium of the items.
        dimensions: D.
        precision: Type of the numbers.
        generation: Number of the files that are valid.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal["capas-index"] = INDEX_FORMAT
    version: Literal[1] = 1
    encoder: str
    fingerprint: str
    medium: str
    dimensions: int
    precision: Precision
    generation: int = 1

    def file(self, folder: Path, kind: str) -> Path:
        """Return a file of the present generation."""
        return folder / f"{self.generation:08d}.{kind}"


def manifest_of(vectors: VectorsManifest) -> IndexManifest:
    """Return what an index of such vectors holds."""
    return IndexManifest(
        encoder=vectors.encoder, fingerprint=vectors.fingerprint, medium=vectors.medium,
        dimensions=vectors.dimensions, precision=vectors.precision,
    )  # fmt: skip


def holds_index(where: str | Path) -> bool:
    """Whether a path names an index: a folder with ``index.json``, or with the vectors of one that lost it."""
    path = Path(where)
    try:
        return (path / INDEX_FILE).is_file() or any(file.stat().st_size for file in path.glob(f"*.{VECTORS}"))
    except (OSError, ValueError):
        return False


def read_index_manifest(folder: Path) -> IndexManifest:
    """Read ``index.json``. Raises CapasError ``no_such_index`` or ``index_damaged``."""
    if not holds_index(folder):
        raise CapasError("no_such_index", where=folder)
    try:
        tree = parse_json(read_regular(folder / INDEX_FILE, max_bytes=MAX_INDEX_FILE_BYTES))
        return IndexManifest.model_validate(tree)
    except (OSError, ValueError, ValidationError) as error:
        received = f"{INDEX_FILE}: {str(error).splitlines()[0][:160]}"
        raise CapasError("index_damaged", where=folder, received=received) from error


def write_index_manifest(folder: Path, manifest: IndexManifest) -> None:
    """Write ``index.json``, atomically. Raises CapasError ``disk_full`` or ``cannot_write``."""
    write_json(folder / INDEX_FILE, manifest.model_dump())


def check_encoder(
    manifest: IndexManifest, encoder: str, fingerprint: str, where: str, dimensions: int | None = None
) -> None:
    """Raise CapasError ``vectors_of_other_encoder`` where vectors cannot be compared with those of the index.

    Args:
        manifest: What the index holds.
        encoder: Name of the encoder of the vectors.
        fingerprint: Its fingerprint.
        where: Where the vectors or the data come from.
        dimensions: Length of the vectors; None before there are any.
    """
    other_length = dimensions is not None and dimensions != manifest.dimensions
    if fingerprint != manifest.fingerprint or other_length:
        raise CapasError(
            "vectors_of_other_encoder", where=where, received=_named(encoder, dimensions),
            expected_encoder=_named(manifest.encoder, manifest.dimensions),
        )  # fmt: skip


def _named(encoder: str, dimensions: int | None) -> str:
    return (encoder or "?") + ("" if dimensions is None else f" ({dimensions})")
