"""Filling an index: from vectors that there are, or from data by an encoder; and taking items away."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.core.device import physical_cores
from capas.core.errors import CapasError
from capas.core.files import is_folder
from capas.engine.encoders.encoder import Encoder
from capas.engine.run import LATEST, find_run
from capas.representation.data_items import DataItems
from capas.representation.embed import check_medium, preprocess_example
from capas.representation.index.item_names import rows_like
from capas.representation.index.manifest import (
    IndexManifest,
    check_encoder,
    holds_index,
    manifest_of,
    read_index_manifest,
)
from capas.representation.index.writer import BATCH_ROWS, AddedItems, IndexWriter, create_index
from capas.representation.vectors import VectorItem, Vectors, have_direction, why_no_direction

READ_AT_ONCE: Final = 64
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexedData:
    """What became of data that were to be indexed.

    Attributes:
        items: How many were added, replaced, or there already.
        failed: Why an example has no vector, by its name.
    """

    items: AddedItems
    failed: Mapping[str, str] = field(default_factory=dict)


def index_vectors(vectors: Vectors, folder: str | Path, progress: Progress = lambda done, total: None) -> IndexedData:
    """Add vectors to an index; it is made where there is none.

    Args:
        vectors: Those of one encoder, and the only one of this index.
        folder: The index.
        progress: Called with (done, total) items.

    Raises:
        CapasError: ``vectors_of_other_encoder``, ``not_an_index``, ``index_damaged``, ``run_is_busy``, ``disk_full``
            or ``cannot_write``.
    """
    if not holds_index(folder):
        create_index(folder, manifest_of(vectors.manifest))
    own = vectors.manifest
    check_encoder(read_index_manifest(Path(folder)), own.encoder, own.fingerprint, vectors.where, own.dimensions)
    done = AddedItems()
    with IndexWriter(folder) as writer:
        for start in range(0, len(vectors), BATCH_ROWS):
            some = slice(start, start + BATCH_ROWS)
            done += writer.add(vectors.manifest.data, vectors.items[some], vectors.matrix[some])
            progress(min(start + BATCH_ROWS, len(vectors)), len(vectors))
    return IndexedData(items=done, failed=vectors.manifest.failed)


def index_data(
    encoder: Encoder, data: DataItems, folder: str | Path, progress: Progress = lambda done, total: None
) -> IndexedData:
    """Add the examples of a data source to an index; it is made where there is none, with vectors in float16.

    An example that is there with the same content and columns is not embedded again: a second call after a kill goes
    on, and one after a change of the data costs what has changed. Examples that are no longer among the data stay.

    Raises:
        CapasError: ``encoder_of_other_medium``, ``nothing_embedded``, and those of ``index_vectors``.
    """
    check_medium(encoder, data)
    if not holds_index(folder):
        create_index(folder, _new_manifest(encoder, data))
    manifest = read_index_manifest(Path(folder))
    check_encoder(manifest, encoder.name, encoder.fingerprint, data.where)
    feed = _Feed(encoder, data)
    done = AddedItems()
    with IndexWriter(folder) as writer, ThreadPoolExecutor(max_workers=physical_cores()) as pool:
        progress(0, len(data))
        for start in range(0, len(data), READ_AT_ONCE):
            some = range(start, min(start + READ_AT_ONCE, len(data)))
            examples = list(pool.map(lambda index: feed.read(writer, index), some))
            items, rows = feed.embed([one for one in examples if not one.known])
            if len(items):
                done += writer.add(data.where, items, rows)
            done += AddedItems(unchanged=sum(one.known for one in examples))
            progress(some.stop, len(data))
    if len(feed.failed) == len(data):
        name, reason = next(iter(feed.failed.items()), (data.where, "–"))
        raise CapasError("nothing_embedded", where=name, received=reason)
    return IndexedData(items=done, failed=feed.failed)


def remove_items(folder: str | Path, patterns: Sequence[str]) -> int:
    """Take the items away whose names are, or match, one of ``patterns`` (``rows_like``); return how many.

    Raises:
        CapasError: ``no_item_matches`` where a pattern names none: nothing is then removed; ``no_such_index``,
            ``index_damaged``, ``run_is_busy``, ``disk_full`` or ``cannot_write``.
    """
    with IndexWriter(folder) as writer:
        found = []
        for pattern in patterns:
            found.append(rows_like(writer.snapshot, pattern))
            if not len(found[-1]):
                raise CapasError("no_item_matches", where=folder, received=pattern)
        rows = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
        writer.remove(rows)
        return len(rows)


def lasting_name(encoder: str) -> str:
    """Return an encoder's name as it is found from another folder and later on: "latest" is another run by then."""
    if encoder == LATEST:
        return str(find_run(encoder).folder.absolute())
    return str(Path(encoder).absolute()) if is_folder(Path(encoder)) else encoder


@dataclass(frozen=True, kw_only=True, slots=True)
class _Example:
    """An example as the encoder takes it, or why not; ``known``: it is in the index as it is."""

    item: VectorItem
    prepared: object = None
    reason: str = ""
    known: bool = False


class _Feed:
    """The examples of ``data`` and their vectors; ``failed`` gathers why some have none."""

    def __init__(self, encoder: Encoder, data: DataItems) -> None:
        self.encoder, self.data = encoder, data
        self.failed: dict[str, str] = {}

    def read(self, writer: IndexWriter | None, index: int) -> _Example:
        data, name = self.data, self.data.name(index)
        try:
            item = VectorItem(name=name, index=index, hash=data.content_hash(index), columns=data.cells(index))
            there = None if writer is None else writer.known(data.where, name)
            if there is not None and (there.hash, dict(there.columns)) == (item.hash, dict(item.columns)):
                return _Example(item=item, known=True)
            return _Example(item=item, prepared=preprocess_example(self.encoder, data, index))
        except CapasError as error:
            return _Example(item=VectorItem(name=name, index=index), reason=error.part("what") or error.key)

    def embed(self, examples: Sequence[_Example]) -> tuple[list[VectorItem], NDArray[np.float32]]:
        """The items (n) that have vectors, and these (n, D)."""
        self.failed.update({one.item.name: one.reason for one in examples if one.reason})
        good = [one for one in examples if not one.reason]
        if not good:
            return [], np.zeros((0, 0), np.float32)
        rows = self.encoder.encode([one.prepared for one in good])
        usable = have_direction(rows)
        bad = np.flatnonzero(~usable).tolist()
        self.failed.update({good[place].item.name: why_no_direction(rows[place]) for place in bad})
        return [good[place].item for place in np.flatnonzero(usable).tolist()], rows[usable]


def _new_manifest(encoder: Encoder, data: DataItems) -> IndexManifest:
    """What an index of these data holds; the length of a vector is that of the first example that can be read."""
    feed = _Feed(encoder, data)
    for index in range(len(data)):
        items, rows = feed.embed([feed.read(None, index)])
        if items:
            return IndexManifest(
                encoder=lasting_name(encoder.name), fingerprint=encoder.fingerprint, medium=data.medium,
                dimensions=rows.shape[1], precision="float16",
            )  # fmt: skip
    name, reason = next(iter(feed.failed.items()), (data.where, "–"))
    raise CapasError("nothing_embedded", where=name, received=reason)
