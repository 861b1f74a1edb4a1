"""The cells that a workbook's sheets span, in each packed format."""

import io
import struct
import zipfile
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.data.tabular import workbook_area
from capas.data.tabular.spreadsheet import read_sheet
from capas.data.tabular.workbook_area import largest_area


def packed(tmp_path: Path, name: str, **members: bytes) -> Path:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    path = tmp_path / name
    path.write_bytes(held.getvalue())
    return path


def area_of(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return largest_area(archive)


def sheet(*cells: str) -> bytes:
    rows = "".join(f'<row r="{cell.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}"><c r="{cell}"/></row>' for cell in cells)
    return f"<worksheet>{rows}</worksheet>".encode()


@pytest.mark.parametrize(
    ("cells", "area"), [(["A1"], 1), (["B2", "D5"], 12), (["A1", "XFD1048576"], 16_384 * 1_048_576), ([], 0)]
)
def test_xlsx_spans_from_its_first_to_its_last_cell(cells: list[str], area: int, tmp_path: Path) -> None:
    assert area_of(packed(tmp_path, "a.xlsx", **{"xl/worksheets/sheet1.xml": sheet(*cells)})) == area


def test_the_largest_sheet_counts(tmp_path: Path) -> None:
    two = {"xl/worksheets/sheet1.xml": sheet("A1", "C2"), "xl/worksheets/sheet2.xml": sheet("A1", "C9")}
    assert area_of(packed(tmp_path, "a.xlsx", **two)) == 27


def test_a_cell_across_two_blocks_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path, "a.xlsx", **{"xl/worksheets/sheet1.xml": sheet("A1", "ZZ700")})
    for size in range(64, 80):
        monkeypatch.setattr(workbook_area, "_CHUNK", size)
        assert area_of(path) == 702 * 700


def test_xlsb_spans_to_its_last_row_and_column(tmp_path: Path) -> None:
    def record(kind: int, content: bytes) -> bytes:
        return bytes([kind, len(content)]) + content

    cells = record(0, struct.pack("<I", 9)) + record(2, struct.pack("<II", 3, 0)) + record(5, struct.pack("<II", 6, 0))
    other = bytes([0x81, 0x01, 4]) + struct.pack("<I", 99)  # BrtBeginSheet: no cell, whatever it holds
    assert area_of(packed(tmp_path, "a.xlsb", **{"xl/worksheets/sheet1.bin": other + cells})) == 10 * 7


def opendocument(rows: str) -> bytes:
    names = 'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" ' \
        'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'  # fmt: skip
    return f"<a {names}><table:table>{rows}</table:table></a>".encode()


FILLED = '<table:table-cell office:value-type="float"/>'


@pytest.mark.parametrize(
    ("rows", "area"),
    [
        (f"<table:table-row>{FILLED}{FILLED}</table:table-row>", 2),
        (f'<table:table-row table:number-rows-repeated="7">{FILLED}</table:table-row>', 7),
        (f'<table:table-row><table:table-cell table:number-columns-repeated="9"/>{FILLED}</table:table-row>', 10),
        # The empty rest of a sheet, as programs write it, is not read.
        (f'<table:table-row>{FILLED}<table:table-cell table:number-columns-repeated="16383"/></table:table-row>'
         '<table:table-row table:number-rows-repeated="1048575"><table:table-cell/></table:table-row>', 1),
    ],
)  # fmt: skip
def test_ods_repeats_rows_and_cells(rows: str, area: int, tmp_path: Path) -> None:
    assert area_of(packed(tmp_path, "a.ods", **{"content.xml": opendocument(rows)})) == area


def test_a_sheet_that_spans_too_much_is_refused_with_the_next_step(tmp_path: Path) -> None:
    path = packed(tmp_path, "a.xlsx", **{"xl/worksheets/sheet1.xml": sheet("A1", "XFD1048576")})
    with pytest.raises(CapasError, match="17,179,869,184 cells") as refused:
        read_sheet(path)
    assert refused.value.key == "sheet_too_wide" and "Ctrl+End" in str(refused.value)
