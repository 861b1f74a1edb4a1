"""EAD 2002 written (https://www.loc.gov/ead/): the inventory's way to the pictures, for import beside a finding aid.

Each unit is a component: ``dao`` links to where a person can look at it, ``daogrp`` to its pictures one by one.
"""

from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element

from capas.pages.provenance import Provenance
from capas.pages.unit import Unit
from capas.pages.xml import add, to_bytes

NAMESPACE: Final = "urn:isbn:1-931666-22-9"
XLINK: Final = "http://www.w3.org/1999/xlink"


def as_ead(name: str, title: str, units: Sequence[Unit], made: Provenance) -> bytes:
    """The file: a description of the fonds called ``title``, whose reference is ``name``, with its units."""
    root = Element("ead", {"xmlns": NAMESPACE, "xmlns:xlink": XLINK})
    header = add(root, "eadheader")
    add(header, "eadid", text=name)
    add(add(add(header, "filedesc"), "titlestmt"), "titleproper", text=title)
    maker = "; ".join(part for part in (f"{made.software} {made.version}", made.line) if part)
    creation = add(add(header, "profiledesc"), "creation", text=f"{maker}; ")
    add(creation, "date", {"normal": made.created[:10]}, made.created)
    described = add(root, "archdesc", {"level": "fonds"})
    about = add(described, "did")
    add(about, "unitid", text=name)
    add(about, "unittitle", text=title)
    if units:
        list_of_units = add(described, "dsc", {"type": "in-depth"})
        for unit in units:
            _add_unit(list_of_units, unit)
    return to_bytes(root)


def _add_unit(parent: Element, unit: Unit) -> None:
    about = add(add(parent, "c", {"level": "item"}), "did")
    add(about, "unitid", text=unit.id)
    add(about, "unittitle", text=unit.title)
    if unit.address:
        add(about, "dao", {"xlink:type": "simple", "xlink:href": unit.address, "xlink:title": unit.title})
    if unit.sheets:
        group = add(about, "daogrp", {"xlink:type": "extended"})
        for sheet in unit.sheets:
            add(group, "daoloc", {"xlink:type": "locator", "xlink:href": sheet.image, "xlink:label": "image",
                                  "xlink:title": sheet.label})  # fmt: skip
