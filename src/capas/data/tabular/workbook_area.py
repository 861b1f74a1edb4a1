"""How many cells a workbook's sheets span, told before they are read.

A sheet is read as a rectangle, empty cells and all, and the library that does it ends the process where there is no
room: one cell in the last row and column of a file of one kilobyte asks for 17,000,000,000. What is said here costs a
pass over the packed sheets and next to no memory.

Formats: Office Open XML (ECMA-376, part 1, 18.3), its binary form ([MS-XLSB] 2.4), OpenDocument 1.3 (part 3, 9.1).
The old .xls has 65,536 rows of 256 columns at most and needs no look.
"""

import re
import zipfile
from collections.abc import Iterator
from io import BufferedIOBase
from typing import Final, cast
from xml.etree import ElementTree

_CHUNK: Final = 1 << 20
_LONGEST: Final = 64  # bytes that a cell's name and what surrounds it may take; chunks overlap by as many
_CELL: Final = re.compile(rb'\sr="([A-Z]{1,3})(\d{1,10})"')
_TABLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE: Final = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_ROW_HEADER, _LAST_CELL_RECORD = 0, 11  # [MS-XLSB] 2.3: BrtRowHdr; BrtCellBlank is 1, BrtFmlaError 11


def largest_area(archive: zipfile.ZipFile) -> int:
    """Return the cells of the widest-spanning sheet of a packed workbook (.xlsx, .xlsb, .ods); 0 of one without sheets.

    Raises:
        zipfile.BadZipFile, ValueError, ElementTree.ParseError: The workbook is broken.
    """
    areas = [0]
    for entry in archive.infolist():
        name = entry.filename.lower().lstrip("/")
        with cast(BufferedIOBase, archive.open(entry)) as stream:  # typed as typing.IO, which it is not
            if name == "content.xml":
                areas += _opendocument_areas(stream)
            elif name.startswith("xl/worksheets/") and name.endswith(".xml"):
                areas.append(_xml_area(stream))
            elif name.startswith("xl/worksheets/") and name.endswith(".bin"):
                areas.append(_binary_area(stream))
    return max(areas)


def _xml_area(stream: BufferedIOBase) -> int:
    rows, columns, rest = set[int](), set[int](), b""
    while chunk := stream.read(_CHUNK):
        found = _CELL.findall(rest + chunk)
        here = {int(row) for row in {row for _, row in found}}
        rows = {min(rows | here), max(rows | here)} if found else rows
        columns |= {_column_number(letters) for letters in {letters for letters, _ in found}}
        rest = chunk[-_LONGEST:]
    return (max(rows) - min(rows) + 1) * (max(columns) - min(columns) + 1) if rows else 0


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - 64
    return number


def _binary_area(stream: BufferedIOBase) -> int:
    last_row, last_column = 0, 0
    for kind, content in _records(stream):
        if kind == _ROW_HEADER and len(content) >= 4:
            last_row = max(last_row, int.from_bytes(content[:4], "little") + 1)
        elif kind <= _LAST_CELL_RECORD and len(content) >= 4:
            last_column = max(last_column, int.from_bytes(content[:4], "little") + 1)
    return last_row * last_column


def _records(stream: BufferedIOBase) -> Iterator[tuple[int, bytes]]:
    """Yield the number and content of each record; both number and length are written in groups of seven bits."""
    while True:
        kind, length = _variable(stream, 2), _variable(stream, 4)
        if kind is None or length is None:
            return
        yield kind, stream.read(length)


def _variable(stream: BufferedIOBase, most: int) -> int | None:
    number = 0
    for place in range(most):
        byte = stream.read(1)
        if not byte:
            return None
        # The number of a record keeps its continuation bits; those of cells are below 128 and have none.
        number |= (byte[0] & 0x7F) << (7 * place)
        if byte[0] < 0x80:
            break
    return number


def _opendocument_areas(stream: BufferedIOBase) -> list[int]:
    """Rows and columns up to the last filled ones, as often as they are said to be repeated."""
    areas, rows, columns, width, filled, empty_rows = [0], 0, 0, 0, 0, 0
    for event, element in ElementTree.iterparse(stream, ("start", "end")):
        if event == "start" and element.tag == f"{_TABLE}table":
            rows = columns = empty_rows = 0
        elif event == "start" and element.tag == f"{_TABLE}table-row":
            width = filled = 0
        elif event == "end" and element.tag in (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
            width += int(element.get(f"{_TABLE}number-columns-repeated", "1"))
            if element.get(f"{_OFFICE}value-type") is not None or len(element):
                filled = width
            element.clear()
        elif event == "end" and element.tag == f"{_TABLE}table-row":
            repeated = int(element.get(f"{_TABLE}number-rows-repeated", "1"))
            if filled:
                rows, empty_rows, columns = rows + empty_rows + repeated, 0, max(columns, filled)
            else:
                empty_rows += repeated
            element.clear()
        elif event == "end" and element.tag == f"{_TABLE}table":
            areas.append(rows * columns)
            element.clear()
    return areas
