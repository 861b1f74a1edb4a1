"""Embedding a whole dataset: every example through an encoder, resumable, one bad file costing one line."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.core.device import physical_cores
from capas.core.errors import CapasError
from capas.core.files import only_writer
from capas.core.i18n import say
from capas.core.spec import Medium
from capas.engine.encoders.encoder import Encoder
from capas.representation.data_items import DataItems
from capas.representation.parquet_vectors import write_parquet_vectors
from capas.representation.run_encoder import RunEncoder
from capas.representation.vector_files import PARQUET, open_vectors
from capas.representation.vector_folder import VectorWriter, remove_vectors
from capas.representation.vectors import Precision, VectorItem, Vectors, VectorsManifest

Progress = Callable[[int, int], None]
BATCH: Final = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """An example as the encoder takes it, or why not."""

    index: int
    name: str
    prepared: object = None
    hash: str = ""
    reason: str = ""


def embed_to(
    out: str | Path, encoder: Encoder, items: DataItems, *, precision: Precision = "float32",
    progress: Progress = lambda done, total: None,
) -> Vectors:  # fmt: skip
    """Write the vectors of all examples to ``out``, going on where an earlier attempt with the same encoder and names
    stopped.

    Args:
        out: A folder, or a ``.parquet`` file.
        encoder: The encoder.
        items: The examples.
        precision: Type of the numbers on disk.
        progress: Called with (done, total) examples.

    Returns:
        The vectors, memory-mapped.

    Raises:
        CapasError: ``encoder_of_other_medium``, ``nothing_embedded``, ``vectors_exist``, ``file_exists``,
            ``run_is_busy``, ``disk_full`` or ``cannot_write``.
    """
    path = Path(out)
    if path.suffix.casefold() == PARQUET:
        # A Parquet file cannot be gone on with: its rows gather in a folder beside it.
        if path.exists():
            raise CapasError("file_exists", where=path)
        part = path.with_name(f"{path.name}.part")
        vectors = embed_to(part, encoder, items, precision=precision, progress=progress)
        write_parquet_vectors(path, vectors)
        remove_vectors(part)
        return open_vectors(path)
    if path.is_file():
        raise CapasError("vectors_exist", where=path, received=path.name)
    size = _dimensions(encoder, items)
    manifest = VectorsManifest(
        encoder=encoder.name, fingerprint=encoder.fingerprint, data=items.where, data_hash="", medium=items.medium,
        dimensions=size, precision=precision, examples=len(items),
    )  # fmt: skip
    with only_writer(path), VectorWriter(path, manifest, items.names_hash) as writer:
        progress(writer.done, len(items))
        with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
            while writer.done < len(items):
                wanted = range(writer.done, min(writer.done + BATCH, len(items)))
                _write_batch(writer, encoder, items, list(pool.map(lambda i: _read(encoder, items, i), wanted)))
                progress(writer.done, len(items))
        writer.finish()
    return open_vectors(path)


def check_medium(encoder: Encoder, items: DataItems) -> None:
    """Raise CapasError ``encoder_of_other_medium`` where the encoder does not read such examples."""
    if items.medium not in encoder.media:
        raise other_medium(encoder, items.medium)


def other_medium(encoder: Encoder, received: Medium) -> CapasError:
    """Return the CapasError ``encoder_of_other_medium`` for data of the medium ``received``."""
    read = ", ".join(say(f"vectors.media.{medium}") for medium in encoder.media)
    return CapasError("encoder_of_other_medium", where=encoder.name, received=say(f"vectors.media.{received}"),
                      expected_medium=read)  # fmt: skip


def _dimensions(encoder: Encoder, items: DataItems) -> int:
    """The length of a vector, from the first example that can be read."""
    check_medium(encoder, items)
    reason = CapasError("nothing_embedded", where=items.where, received="–")
    for index in range(len(items)):
        one = _read(encoder, items, index)
        if not one.reason:
            return int(encoder.encode([one.prepared]).shape[1])
        if index == 0:
            reason = CapasError("nothing_embedded", where=one.name, received=one.reason)
    raise reason


def preprocess_example(encoder: Encoder, items: DataItems, index: int) -> object:
    """Return an example as ``encode`` takes it, with the columns beside it where the encoder reads them.

    Raises CapasError where it cannot be read.
    """
    content = items.content(index)
    if isinstance(encoder, RunEncoder) and encoder.columns:
        content = {encoder.card.inputs[0].name: content, **items.row(index, encoder.columns)}
    return encoder.preprocess(content, items.name(index))


def _read(encoder: Encoder, items: DataItems, index: int) -> _Read:
    name = items.name(index)
    try:
        prepared = preprocess_example(encoder, items, index)
        return _Read(index=index, name=name, prepared=prepared, hash=items.content_hash(index))
    except CapasError as error:
        return _Read(index=index, name=name, reason=error.part("what") or error.key)


def _write_batch(writer: VectorWriter, encoder: Encoder, items: DataItems, batch: Sequence[_Read]) -> None:
    good = [one for one in batch if not one.reason]
    rows: NDArray[np.float32] = (
        encoder.encode([one.prepared for one in good])
        if good
        else np.zeros((0, writer.manifest.dimensions), np.float32)
    )
    usable: list[bool] = [bool(row.all()) for row in np.isfinite(rows)]
    finite = dict(zip((one.index for one in good), usable, strict=True))
    not_finite = CapasError("answer_not_finite").part("what")
    lines: list[VectorItem | tuple[int, str, str]] = []
    for one in batch:
        if one.reason or not finite[one.index]:
            lines.append((one.index, one.name, one.reason or not_finite))
        else:
            lines.append(VectorItem(name=one.name, index=one.index, hash=one.hash, columns=items.cells(one.index)))
    writer.append(lines, rows[np.array(usable, dtype=bool)])
