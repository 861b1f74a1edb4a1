"""Workbooks that tests write."""

import datetime
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import xlsxwriter

Rows = Sequence[Sequence[object]]
Merged = Sequence[tuple[int, int, int, int, str]]


def write_workbook(
    path: Path, sheets: Mapping[str, Rows], *, merged: Merged = (), hidden: Sequence[str] = (), errors: bool = False
) -> Path:
    """Write sheets of rows; None is an empty cell, "#N/A" with ``errors`` an error, ``merged`` ranges of the first
    sheet."""
    book = xlsxwriter.Workbook(path, {"strings_to_formulas": False})
    dates = book.add_format({"num_format": "dd/mm/yyyy"})
    for number, (name, rows) in enumerate(sheets.items()):
        sheet = book.add_worksheet(name)
        if name in hidden:
            sheet.hide()
        for i, row in enumerate(rows):
            for j, cell in enumerate(row):
                if isinstance(cell, datetime.date):
                    sheet.write_datetime(i, j, cell, dates)
                elif errors and cell == "#N/A":
                    sheet.write_formula(i, j, "=NA()", None, "#N/A")
                elif cell is not None:
                    sheet.write(i, j, cell)
        for top, left, bottom, right, text in merged if number == 0 else ():
            sheet.merge_range(top, left, bottom, right, text)
    book.close()
    return path


def write_ods(path: Path, name: str, rows: Rows) -> Path:
    """Write a sheet in OpenDocument: texts, and numbers."""
    cells = [
        "".join(
            f'<table:table-cell office:value-type="float" office:value="{cell}"/>'
            if isinstance(cell, int | float)
            else f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'
            for cell in row
        )
        for row in rows
    ]
    table = "".join(f"<table:table-row>{row}</table:table-row>" for row in cells)
    spaces = "".join(
        f' xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{short}:1.0"' for short in ("office", "table", "text")
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        manifest = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
        archive.writestr("META-INF/manifest.xml", f'<m:manifest xmlns:m="{manifest}"/>')
        archive.writestr(
            "content.xml",
            f'<?xml version="1.0"?><office:document-content{spaces}><office:body><office:spreadsheet>'
            f'<table:table table:name="{name}">{table}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        )
    return path


def write_xls(path: Path, name: str, rows: Rows) -> Path:
    """Write a sheet of texts and numbers as Excel 97 does: records (BIFF 8) in a stream of an OLE container."""
    texts = [cell for row in rows for cell in row if isinstance(cell, str)]
    strings = b"".join(struct.pack("<HB", len(text), 1) + text.encode("utf-16-le") for text in texts)
    shared = _record(0x00FC, struct.pack("<II", len(texts), len(texts)) + strings)
    sheet = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 0))
    sheet += _record(0x0200, struct.pack("<IIHHH", 0, len(rows), 0, max(map(len, rows)), 0))
    number = 0
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            if isinstance(cell, str):
                sheet += _record(0x00FD, struct.pack("<HHHI", i, j, 0, number))
                number += 1
            elif isinstance(cell, int | float):
                sheet += _record(0x0203, struct.pack("<HHHd", i, j, 0, cell))
    sheet += _record(0x000A, b"")
    start = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 0, 0, 0))
    length = len(start) + 4 + 8 + len(name) + len(shared) + 4
    bound = _record(0x0085, struct.pack("<IBBBB", length, 0, 0, len(name), 0) + name.encode("latin-1"))
    path.write_bytes(_in_container(start + bound + shared + _record(0x000A, b"") + sheet))
    return path


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def _in_container(stream: bytes) -> bytes:
    """An OLE container with the one stream "Workbook", of sectors of 512 bytes: allocation, directory, stream."""
    stream = stream.ljust(4096, b"\0")  # a shorter one would lie elsewhere
    sectors = -(-len(stream) // 512)
    end, free = 0xFFFFFFFE, 0xFFFFFFFF
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, end, 0, end, 0) + struct.pack("<109I", 0, *[free] * 108)
    chain = [0xFFFFFFFD, end, *range(3, 2 + sectors), end]
    table = struct.pack("<128I", *chain, *[free] * (128 - len(chain)))

    def entry(name: str, kind: int, child: int, first: int, size: int) -> bytes:
        encoded = (name + "\0").encode("utf-16-le")
        place = struct.pack("<HBBIII", len(encoded), kind, 1, free, free, child) + bytes(36)
        return encoded.ljust(64, b"\0") + place + struct.pack("<IQ", first, size)

    folder = entry("Root Entry", 5, 1, end, 0) + entry("Workbook", 2, free, 2, len(stream)) + bytes(256)
    return header + table + folder + stream.ljust(512 * sectors, b"\0")
