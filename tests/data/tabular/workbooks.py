"""Workbooks that tests write."""

import datetime
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
    book = xlsxwriter.Workbook(path)
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
