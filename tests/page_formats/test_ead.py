"""EAD 2002: every unit links to where it can be seen and to its pages."""

from xml.etree import ElementTree

from capas.page_formats.ead import NAMESPACE, XLINK, to_ead
from tests.page_formats.drawn import EMPTY_UNIT, MADE, UNIT

NAMES = {"e": NAMESPACE}


def test_units_link_out() -> None:
    root = ElementTree.fromstring(to_ead("ES.41091.AGI", "Escribanía", [UNIT, EMPTY_UNIT], MADE))
    first, second = root.findall("e:archdesc/e:dsc/e:c/e:did", NAMES)
    assert first.findtext("e:unitid", namespaces=NAMES) == UNIT.id
    links = {one.get(f"{{{XLINK}}}title"): one.get(f"{{{XLINK}}}href") for one in first.iterfind(".//e:daoloc", NAMES)}
    assert links == {sheet.label: sheet.image for sheet in UNIT.sheets}
    whole = first.find("e:dao", NAMES)
    assert whole is not None and whole.get(f"{{{XLINK}}}href") == UNIT.address
    assert second.find("e:dao", NAMES) is None and second.find("e:daogrp", NAMES) is None


def test_what_made_it_is_written_down() -> None:
    text = to_ead("a", "b", [], MADE).decode()
    assert "model=0f3a; epsilon=0.01" in text
    assert '<date normal="2026-11-23">' in text
    assert "<dsc" not in text
