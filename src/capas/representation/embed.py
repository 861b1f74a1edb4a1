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
from capas.core.files import is_file, only_writer
from capas.core.i18n import say
from capas.core.spec import Medium
from capas.engine.encoders.encoder import Encoder
from capas.representation.data_items import DataItems
from capas.representation.parquet_vectors import write_parquet_vectors
from capas.representation.run_encoder import RunEncoder
from capas.representation.vector_files import PARQUET, holds_vectors, open_vectors, parquet_part
from capas.representation.vector_folder import MANIFEST, VectorWriter, described, refuse_other_content, remove_vectors
from capas.representation.vectors import (
    Precision,
    VectorItem,
    Vectors,
    VectorsManifest,
    have_direction,
    why_no_direction,
)

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
    stopped. Where they are finished already, nothing is computed.

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
    found = finished_vectors(path, encoder, items, precision)
    if found is not None:
        return found
    if path.suffix.casefold() == PARQUET:
        # A Parquet file cannot be gone on with: its rows gather in a folder beside it.
        part = parquet_part(path)
        vectors = embed_to(part, encoder, items, precision=precision, progress=progress)
        write_parquet_vectors(path, vectors)
        remove_vectors(part)
        return open_vectors(path)
    size, first = _dimensions(encoder, items)
    manifest = VectorsManifest(
        encoder=encoder.name, fingerprint=encoder.fingerprint, data=items.where, data_hash="", medium=items.medium,
        dimensions=size, precision=precision, examples=len(items),
    )  # fmt: skip
    refuse_other_content(path, manifest)  # before the lock, which is a file too
    with only_writer(path), VectorWriter(path, manifest, items.names_hash) as writer:
        progress(writer.done, len(items))
        with ThreadPoolExecutor(max_workers=physical_cores()) as pool:
            while writer.done < len(items):
                wanted = range(writer.done, min(writer.done + BATCH, len(items)))
                batch = list(pool.map(lambda i: first.pop(i, None) or _read(encoder, items, i), wanted))
                _write_batch(writer, encoder, items, batch)
                progress(writer.done, len(items))
        writer.finish()
    return open_vectors(path)


def finished_vectors(out: str | Path, encoder: Encoder, items: DataItems, precision: Precision) -> Vectors | None:
    """Return the vectors at ``out`` if they are finished, and those of this encoder and of the data as they are now.

    Files are read for their hashes; only an example that failed before goes through the encoder again.

    Raises:
        CapasError: ``vectors_exist`` where other vectors lie there, ``file_exists`` for a file without vectors, and
            those of ``open_vectors``.
    """
    path = Path(out)
    in_a_file = is_file(path)
    if in_a_file and not (path.suffix.casefold() == PARQUET and holds_vectors(path)):
        raise CapasError("file_exists", where=path)
    if not in_a_file and not (path / MANIFEST).is_file():
        return None
    vectors = open_vectors(path)
    own = vectors.manifest
    if (own.fingerprint, own.data, own.precision) != (encoder.fingerprint, items.where, precision):
        raise CapasError("vectors_exist", where=path, received=described(own))
    if not _unchanged(vectors, encoder, items):
        received = say("vectors.described_earlier", vectors=described(own))
        raise CapasError("vectors_exist", where=path, received=received)
    return vectors


def _unchanged(vectors: Vectors, encoder: Encoder, items: DataItems) -> bool:
    """Whether every example is what it was, and those that failed still do."""
    if vectors.manifest.examples != len(items):
        return False
    stored = {item.index: item for item in vectors.items}
    return all(_as_before(stored.get(index), encoder, items, index) for index in range(len(items)))


def _as_before(former: VectorItem | None, encoder: Encoder, items: DataItems, index: int) -> bool:
    if former is None:
        one = _read(encoder, items, index)
        return bool(one.reason) or not bool(have_direction(encoder.encode([one.prepared]))[0])
    try:
        return (former.name, former.hash, dict(former.columns)) == (
            items.name(index), items.content_hash(index), items.cells(index)
        )  # fmt: skip
    except CapasError:
        return False


def check_medium(encoder: Encoder, items: DataItems) -> None:
    """Raise CapasError ``encoder_of_other_medium`` where the encoder does not read such examples."""
    if items.medium not in encoder.media:
        raise other_medium(encoder, items.medium)


def other_medium(encoder: Encoder, received: Medium) -> CapasError:
    """Return the CapasError ``encoder_of_other_medium`` for data of the medium ``received``."""
    read = ", ".join(say(f"vectors.media.{medium}") for medium in encoder.media)
    return CapasError("encoder_of_other_medium", where=encoder.name, received=say(f"vectors.media.{received}"),
                      expected_medium=read)  # fmt: skip


def _dimensions(encoder: Encoder, items: DataItems) -> tuple[int, dict[int, _Read]]:
    """The length of a vector, from the first example that can be read; and that one, with those before it."""
    check_medium(encoder, items)
    read: dict[int, _Read] = {}
    for index in range(len(items)):
        one = read[index] = _read(encoder, items, index)
        if not one.reason:
            return int(encoder.encode([one.prepared]).shape[1]), read
    name, reason = (read[0].name, read[0].reason) if read else (items.where, "–")
    raise CapasError("nothing_embedded", where=name, received=reason)


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
    usable = have_direction(rows)
    reasons = {one.index: one.reason for one in batch}
    reasons |= {good[place].index: why_no_direction(rows[place]) for place in np.flatnonzero(~usable).tolist()}
    lines: list[VectorItem | tuple[int, str, str]] = []
    for one in batch:
        if reason := reasons[one.index]:
            lines.append((one.index, one.name, reason))
        else:
            lines.append(VectorItem(name=one.name, index=one.index, hash=one.hash, columns=items.cells(one.index)))
    writer.append(lines, rows[usable])
