"""METS: valid, and the files of every sheet are found through the structure."""

from xml.etree import ElementTree

import pytest

from capas.page_formats.mets import NAMESPACE, XLINK, to_mets
from capas.page_formats.unit import ArchivalUnit
from tests.page_formats.drawn import EMPTY_UNIT, MADE, UNIT
from tests.page_formats.schemas import faults


@pytest.mark.parametrize("unit", (UNIT, EMPTY_UNIT))
def test_it_is_valid(unit: ArchivalUnit) -> None:
    assert faults(to_mets(unit, MADE), "mets.xsd") == []


def test_every_sheet_leads_to_its_files() -> None:
    root = ElementTree.fromstring(to_mets(UNIT, MADE))
    names = {"m": NAMESPACE, "x": XLINK}
    files = {file.get("ID"): (file.get("MIMETYPE"), place.get(f"{{{XLINK}}}href"))
             for file in root.iterfind(".//m:file", names) for place in file}  # fmt: skip
    found = {div.get("ORDERLABEL"): [files[pointer.get("FILEID")] for pointer in div]
             for div in root.iterfind(".//m:div[@TYPE='page']", names)}  # fmt: skip
    assert found == {
        "1r": [("image/jpeg", UNIT.sheets[0].image), ("application/alto+xml", UNIT.sheets[0].text)],
        "1v": [("image/png", UNIT.sheets[1].image)],
    }


def test_what_made_it_is_written_down() -> None:
    text = to_mets(UNIT, MADE).decode()
    assert "<note>model=0f3a</note>" in text
    assert MADE.created in text
