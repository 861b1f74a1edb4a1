"""The journal of an index: which rows and which lines of its files are valid. What it does not name is not there.

A record is a header of 24 bytes (magic, length of its JSON, length of its arrays, CRC-32 of what follows, CRC-32 of the
header), a JSON object and three arrays: where the line of each added row ends, the key of its item, and the rows that
are gone. Records are appended and synchronised one by one, behind the rows and lines that they name: whoever was told
that a batch is in the index finds it after a kill or a power cut. A record that was cut short is as if it had never
been begun; one that is whole and whose checksum is wrong is damage.
"""

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.core.files import open_regular
from capas.core.parsing import parse_json

MAGIC: Final = b"CAPASIJ1"
_HEADER: Final = struct.Struct("<8sIIII")


def no_keys() -> NDArray[np.uint64]:
    """Return no places and no keys."""
    return np.empty(0, np.uint64)


def no_rows() -> NDArray[np.int64]:
    """Return no rows."""
    return np.empty(0, np.int64)


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalRecord:
    """One change of the index.

    Attributes:
        number: From 0, without gaps.
        manifest: What the index holds; in the first record.
        source: Number of the data source of the added rows.
        new_source: That source, where this is the first record that names it.
        first_row: First of the added rows.
        first_byte: Where their lines begin.
        vectors_crc: CRC-32 of the added rows as they stand in the file.
        items_crc: CRC-32 of their lines.
        ends: Where the line of each added row ends, in bytes, shape (n,).
        keys: The key of the item of each added row, shape (n,).
        removed: Rows that are gone from now on, shape (m,).
    """

    number: int
    manifest: dict[str, object] | None = None
    source: int = 0
    new_source: str | None = None
    first_row: int = 0
    first_byte: int = 0
    vectors_crc: int = 0
    items_crc: int = 0
    ends: NDArray[np.uint64] = field(default_factory=no_keys)
    keys: NDArray[np.uint64] = field(default_factory=no_keys)
    removed: NDArray[np.int64] = field(default_factory=no_rows)

    @property
    def count(self) -> int:
        """Number of added rows."""
        return len(self.keys)

    @property
    def last_byte(self) -> int:
        """Where the added lines end."""
        return int(self.ends[-1]) if self.count else self.first_byte

    def as_bytes(self) -> bytes:
        """Return the record as it stands in the file."""
        head: dict[str, object] = {
            "number": self.number, "source": self.source, "first_row": self.first_row, "first_byte": self.first_byte,
            "vectors_crc": self.vectors_crc, "items_crc": self.items_crc, "rows": self.count,
            "removed": len(self.removed),
        }  # fmt: skip
        if self.manifest is not None:
            head["manifest"] = self.manifest
        if self.new_source is not None:
            head["new_source"] = self.new_source
        text = json.dumps(head).encode()
        arrays = b"".join(array.astype("<u8").tobytes() for array in (self.ends, self.keys, self.removed))
        fields = (MAGIC, len(text), len(arrays), zlib.crc32(arrays, zlib.crc32(text)))
        return _HEADER.pack(*fields, zlib.crc32(_HEADER.pack(*fields, 0))) + text + arrays


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalContent:
    """The records of a journal.

    Attributes:
        records: Those that are whole.
        length: Bytes up to the end of the last one.
        cut: Bytes behind it: a record that was never finished, or is being written.
        skipped: Places, in bytes, of damaged records that were left out.
    """

    records: Sequence[JournalRecord]
    length: int
    cut: int = 0
    skipped: Sequence[int] = ()


def read_journal(path: Path, *, skip_damaged: bool = False) -> JournalContent:
    """Read a journal.

    Args:
        path: The file.
        skip_damaged: Leave damaged records out and go on behind them, instead of refusing.

    Raises:
        CapasError: ``index_damaged``.
        OSError: The file cannot be read.
    """
    with open_regular(path) as stream:
        data = stream.read()
    records: list[JournalRecord] = []
    skipped: list[int] = []
    place = 0
    while place < len(data):
        record, length = _read_record(data, place)
        if record is not None and (skip_damaged or record.number == len(records)):
            records.append(record)
            place += length
            continue
        if record is None and _is_torn(data, place):
            break
        if not skip_damaged:
            raise CapasError("index_damaged", where=path, received=f"{path.name}, {place}")
        skipped.append(place)
        following = data.find(MAGIC, place + 1)
        place = following if following >= 0 else len(data)
    return JournalContent(records=records, length=place, cut=len(data) - place, skipped=skipped)


def _read_header(data: bytes, place: int) -> tuple[int, int, int] | None:
    """Lengths of text and arrays, and their checksum; None where no header stands."""
    if len(data) - place < _HEADER.size:
        return None
    magic, text_length, arrays_length, checksum, own = _HEADER.unpack_from(data, place)
    fields = (magic, text_length, arrays_length, checksum)
    return fields[1:] if magic == MAGIC and zlib.crc32(_HEADER.pack(*fields, 0)) == own else None


def _read_record(data: bytes, place: int) -> tuple[JournalRecord | None, int]:
    header = _read_header(data, place)
    if header is None:
        return None, 0
    text_length, arrays_length, checksum = header
    start = place + _HEADER.size
    end = start + text_length + arrays_length
    text, arrays = data[start : start + text_length], data[start + text_length : end]
    if end > len(data) or zlib.crc32(arrays, zlib.crc32(text)) != checksum:
        return None, 0
    head = parse_json(text)
    assert isinstance(head, dict)
    count, removed = head.pop("rows"), head.pop("removed")
    ends, keys, gone = np.split(np.frombuffer(arrays, "<u8").astype(np.uint64), [count, 2 * count])
    assert len(gone) == removed
    return JournalRecord(**head, ends=ends, keys=keys, removed=gone.astype(np.int64)), end - place


def _is_torn(data: bytes, place: int) -> bool:
    """Whether what begins here was never finished: it is shorter than it says, or the disk kept only zeros of it."""
    rest = len(data) - place
    if data.count(0, place) == rest:
        return True
    if rest < _HEADER.size:
        return MAGIC.startswith(data[place : place + len(MAGIC)])
    header = _read_header(data, place)
    return header is not None and header[0] + header[1] > rest - _HEADER.size
