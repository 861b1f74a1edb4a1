"""Writes EAD 2002 (https://www.loc.gov/ead/): links from an inventory to the images, for import beside a finding aid.

Each unit is a component: ``dao`` links to where a person can look at it, ``daogrp`` to its images one by one.
"""

from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element

from capas.page_formats.provenance import Provenance
from capas.page_formats.unit import ArchivalUnit
from capas.page_formats.xml import add_child, xml_bytes

NAMESPACE: Final = "urn:isbn:1-931666-22-9"
XLINK: Final = "http://www.w3.org/1999/xlink"


def to_ead(name: str, title: str, units: Sequence[ArchivalUnit], provenance: Provenance) -> bytes:
    """Return the EAD file of the fonds called ``title``, whose reference is ``name``, with its units."""
    root = Element("ead", {"xmlns": NAMESPACE, "xmlns:xlink": XLINK})
    header = add_child(root, "eadheader")
    add_child(header, "eadid", text=name)
    add_child(add_child(add_child(header, "filedesc"), "titlestmt"), "titleproper", text=title)
    maker = "; ".join(part for part in (f"{provenance.software} {provenance.version}", provenance.summary) if part)
    creation = add_child(add_child(header, "profiledesc"), "creation", text=f"{maker}; ")
    add_child(creation, "date", {"normal": provenance.created[:10]}, provenance.created)
    described = add_child(root, "archdesc", {"level": "fonds"})
    about = add_child(described, "did")
    add_child(about, "unitid", text=name)
    add_child(about, "unittitle", text=title)
    if units:
        list_of_units = add_child(described, "dsc", {"type": "in-depth"})
        for unit in units:
            _add_unit(list_of_units, unit)
    return xml_bytes(root)


def _add_unit(parent: Element, unit: ArchivalUnit) -> None:
    about = add_child(add_child(parent, "c", {"level": "item"}), "did")
    add_child(about, "unitid", text=unit.id)
    add_child(about, "unittitle", text=unit.title)
    if unit.address:
        add_child(about, "dao", {"xlink:type": "simple", "xlink:href": unit.address, "xlink:title": unit.title})
    if unit.sheets:
        group = add_child(about, "daogrp", {"xlink:type": "extended"})
        for sheet in unit.sheets:
            add_child(group, "daoloc", {"xlink:type": "locator", "xlink:href": sheet.image, "xlink:label": "image",
                                  "xlink:title": sheet.label})  # fmt: skip
