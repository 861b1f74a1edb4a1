"""Vectors as a folder: memory-mapped, and written so that a kill costs one batch at most.

    VECTORS/
      vectors.safetensors   tensor "vectors", float32 or float16, shape (N, D)
      items.jsonl           a line each: its name, its place in the data, content hash, and columns
      vectors.json          what made them, of which data, and what was left out

While it is written the folder holds ``rows.part`` and ``items.part`` instead; ``VectorWriter`` goes on behind the last
row that both have.

Shapes: N items, D dimensions.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from capas.core.errors import CapasError
from capas.core.files import (
    LOCK,
    content_hash,
    is_folder,
    open_regular,
    read_regular,
    sync_folder,
    write_error,
    write_json,
)
from capas.core.i18n import say
from capas.core.parsing import parse_json
from capas.representation.vectors import FORMAT, VectorItem, Vectors, VectorsManifest

VECTORS, ITEMS, MANIFEST = "vectors.safetensors", "items.jsonl", "vectors.json"
_ROWS_PART, _ITEMS_PART, _MANIFEST_PART = "rows.part", "items.part", "vectors.part.json"
_OWN: Final = frozenset({VECTORS, ITEMS, MANIFEST, _ROWS_PART, _ITEMS_PART, _MANIFEST_PART, LOCK})
_HEADER_BYTES: Final = 256
MAX_MANIFEST_BYTES: Final = 64_000_000


class VectorWriter:
    """Writes vectors batch by batch into a folder, and goes on where an earlier, equal attempt stopped.

    Use as a context manager; what was written stays for the next attempt unless ``finish`` was called.

    Args:
        folder: The folder.
        manifest: What is being written; vectors of another network, data source or precision are not replaced.
        names_hash: Hash of the names of all examples in order: the place of an example means nothing in other data, so
            that an attempt with other names starts afresh.

    Raises:
        CapasError: ``vectors_exist``, ``file_exists``, ``disk_full`` or ``cannot_write``.
    """

    def __init__(self, folder: Path, manifest: VectorsManifest, names_hash: str) -> None:
        self.folder = folder
        self.manifest = manifest
        self._identity = {"manifest": manifest.model_dump(), "names": names_hash}
        self._compared = {**manifest.model_dump(exclude={"encoder"}), "names": names_hash}
        self.done = 0  # examples, those that failed included
        self.written = 0  # rows
        self.failed: dict[str, str] = {}
        self._hash_of: list[str] = []
        self._open = ExitStack()

    def __enter__(self) -> "VectorWriter":
        refuse_other_content(self.folder, self.manifest)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self._resumable():
                self._start()
            self._rows = self._open.enter_context(open(self.folder / _ROWS_PART, "r+b"))
            self._items = self._open.enter_context(open(self.folder / _ITEMS_PART, "r+b"))
            self._take_up()
        except OSError as error:
            raise write_error(self.folder, error) from error
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    @property
    def _row_bytes(self) -> int:
        return self.manifest.dimensions * np.dtype(self.manifest.precision).itemsize

    def _resumable(self) -> bool:
        if not (self.folder / _ROWS_PART).is_file() or not (self.folder / _ITEMS_PART).is_file():
            return False
        begun = _begun(self.folder)
        if begun is None:
            return False
        manifest, names = begun
        # The same network may be called by another path.
        return {**manifest.model_dump(exclude={"encoder"}), "names": names} == self._compared

    def _start(self) -> None:
        (self.folder / _ROWS_PART).write_bytes(bytes(_HEADER_BYTES))
        (self.folder / _ITEMS_PART).write_bytes(b"")
        write_json(self.folder / _MANIFEST_PART, self._identity)

    def _take_up(self) -> None:
        """Read the lines up to the last that is whole and has its row; cut both files there."""
        rows = max(0, (os.fstat(self._rows.fileno()).st_size - _HEADER_BYTES) // self._row_bytes)
        end = 0
        for line in self._items:
            try:
                entry = json.loads(line)
                failed = entry.get("failed")
                if not line.endswith(b"\n") or entry["index"] != self.done or (failed is None and self.written == rows):
                    break
            except (ValueError, AttributeError, KeyError):
                break
            if failed is None:
                self.written += 1
                self._hash_of.append(entry["hash"])
            else:
                self.failed[entry["name"]] = failed
            self.done += 1
            end += len(line)
        self._items.seek(end)
        self._items.truncate()
        self._rows.seek(_HEADER_BYTES + self.written * self._row_bytes)
        self._rows.truncate()

    def append(self, batch: Sequence[VectorItem | tuple[int, str, str]], rows: NDArray[np.floating]) -> None:
        """Write examples in the order of the data: an item with its row, or (index, name, reason) of one that failed.

        Raises CapasError ``disk_full`` or ``cannot_write``.
        """
        lines = []
        for one in batch:
            if isinstance(one, VectorItem):
                entry = {"name": one.name, "index": one.index, "hash": one.hash, "columns": dict(one.columns)}
                self._hash_of.append(one.hash)
            else:
                index, name, reason = one
                entry = {"name": name, "index": index, "failed": reason}
                self.failed[name] = reason
            lines.append(json.dumps(entry, ensure_ascii=True))
        try:
            self._rows.write(np.ascontiguousarray(rows, dtype=self.manifest.precision).tobytes())
            self._rows.flush()
            self._items.write("".join(f"{line}\n" for line in lines).encode())
            self._items.flush()
        except OSError as error:
            raise write_error(self.folder, error) from error
        self.done += len(batch)
        self.written += len(rows)

    def finish(self) -> None:
        """Make the folder whole. Raises CapasError ``nothing_embedded``, ``disk_full`` or ``cannot_write``."""
        if self.written == 0:
            name, reason = next(iter(self.failed.items()), ("", "–"))
            raise CapasError("nothing_embedded", where=name or self.manifest.data, received=reason)
        manifest = self.manifest.model_copy(
            update={
                "examples": self.done, "failed": dict(self.failed),
                "data_hash": content_hash("\n".join(self._hash_of).encode()),
            }
        )  # fmt: skip
        shape = [self.written, self.manifest.dimensions]
        tensor = {"dtype": {"float32": "F32", "float16": "F16"}[self.manifest.precision], "shape": shape,
                  "data_offsets": [0, self.written * self._row_bytes]}  # fmt: skip
        header = json.dumps({"__metadata__": {"format": FORMAT}, "vectors": tensor}).encode()
        room = _HEADER_BYTES - 8
        try:
            self._rows.seek(0)
            self._rows.write(room.to_bytes(8, "little") + header.ljust(room))
            for stream in (self._rows, self._items):
                stream.flush()
                os.fsync(stream.fileno())
            self._open.close()
            items = self._without_failed()
            # Last of all the manifest: without it the folder holds no vectors.
            (self.folder / MANIFEST).unlink(missing_ok=True)
            os.replace(self.folder / _ROWS_PART, self.folder / VECTORS)
            os.replace(items, self.folder / ITEMS)
            write_json(self.folder / MANIFEST, manifest.model_dump())
            for part in (_ITEMS_PART, _MANIFEST_PART):
                (self.folder / part).unlink(missing_ok=True)
            sync_folder(self.folder)
        except OSError as error:
            raise write_error(self.folder, error) from error

    def _without_failed(self) -> Path:
        if not self.failed:
            return self.folder / _ITEMS_PART
        kept = self.folder / f"{_ITEMS_PART}.kept"
        with open(self.folder / _ITEMS_PART, encoding="utf-8") as lines, open(kept, "w", encoding="utf-8") as out:
            out.writelines(line for line in lines if "failed" not in json.loads(line))
        return kept


def refuse_other_content(folder: Path, manifest: VectorsManifest) -> None:
    """Refuse a place at which something lies that is no unfinished attempt at the vectors of ``manifest``.

    Raises:
        CapasError: ``vectors_exist`` for a folder with other files, with vectors, or with unfinished vectors of another
            network, data source or precision; ``file_exists`` for a file.
    """
    if not is_folder(folder):
        if os.path.lexists(folder):
            raise CapasError("file_exists", where=folder)
        return
    try:
        held = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise write_error(folder, error) from error
    if others := sorted(held - _OWN):
        raise CapasError("vectors_exist", where=folder, received=others[0])
    if MANIFEST in held:
        raise CapasError("vectors_exist", where=folder, received=described(read_vector_folder(folder).manifest))
    begun = _begun(folder)
    if begun is None and (left := sorted(held & {VECTORS, ITEMS})):
        raise CapasError("vectors_exist", where=folder, received=left[0])
    if begun is not None and _origin(begun[0]) != _origin(manifest):
        raise CapasError("vectors_exist", where=folder, received=described(begun[0], finished=False))


def described(manifest: VectorsManifest, *, finished: bool = True) -> str:
    """Return in words which vectors these are."""
    return say("vectors.described" if finished else "vectors.described_unfinished", encoder=manifest.encoder or "?",
               data=manifest.data, precision=manifest.precision)  # fmt: skip


def _origin(manifest: VectorsManifest) -> tuple[object, ...]:
    """What vectors must have in common for one to go on with the others."""
    return manifest.fingerprint, manifest.data, manifest.medium, manifest.dimensions, manifest.precision


def _begun(folder: Path) -> tuple[VectorsManifest, object] | None:
    """The manifest and the hash of names of an unfinished attempt; None where there is none that can be read."""
    try:
        tree = parse_json(read_regular(folder / _MANIFEST_PART, max_bytes=MAX_MANIFEST_BYTES))
        return VectorsManifest.model_validate(tree["manifest"]), tree["names"]  # type: ignore[index]
    except (OSError, ValueError, ValidationError, KeyError, TypeError):
        return None


def is_unfinished(folder: Path) -> bool:
    """Whether the writing of vectors was interrupted in a folder."""
    parts = ((folder / name).is_file() for name in (_ROWS_PART, _ITEMS_PART))
    return not (folder / MANIFEST).is_file() and ((folder / _MANIFEST_PART).is_file() or all(parts))


def read_vector_folder(folder: Path) -> Vectors:
    """Open a folder of vectors, memory-mapped.

    Raises:
        CapasError: ``no_such_vectors``, ``vectors_unfinished`` or ``vectors_unreadable``.
    """
    if not (folder / MANIFEST).is_file():
        raise CapasError("vectors_unfinished" if is_unfinished(folder) else "no_such_vectors", where=folder)
    try:
        tree = parse_json(read_regular(folder / MANIFEST, max_bytes=MAX_MANIFEST_BYTES))
        manifest = VectorsManifest.model_validate(tree)
        with safe_open(folder / VECTORS, framework="pt") as file:
            matrix: NDArray[np.floating] = file.get_tensor("vectors").numpy()
        items = list(_read_items(folder / ITEMS))
    except (OSError, ValueError, ValidationError, SafetensorError, KeyError, TypeError, AttributeError) as error:
        raise CapasError("vectors_unreadable", where=folder, received=str(error).splitlines()[0][:200]) from error
    if matrix.shape != (len(items), manifest.dimensions) or matrix.dtype != manifest.precision:
        received = f"{'×'.join(map(str, matrix.shape))} {matrix.dtype}, {len(items)}"
        raise CapasError("vectors_unreadable", where=folder, received=received)
    return Vectors(matrix=matrix, items=items, manifest=manifest, where=str(folder))


def _read_items(path: Path) -> Iterator[VectorItem]:
    with open_regular(path) as stream:
        for line in stream:
            entry = json.loads(line)
            columns = {str(name): str(value) for name, value in entry.get("columns", {}).items()}
            yield VectorItem(name=str(entry["name"]), index=int(entry["index"]), hash=str(entry["hash"]),
                             columns=columns)  # fmt: skip


def remove_vectors(folder: Path) -> None:
    """Remove a folder of vectors, finished or not; what else lies in it stays."""
    for name in _OWN:
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
