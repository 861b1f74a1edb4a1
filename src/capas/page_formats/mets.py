"""Writes METS (https://www.loc.gov/standards/mets/): which images and texts make up a unit, and in what order."""

from typing import Final
from xml.etree.ElementTree import Element

from capas.page_formats.provenance import Provenance
from capas.page_formats.unit import ArchivalUnit
from capas.page_formats.xml import XmlIds, add_child, xml_bytes

NAMESPACE: Final = "http://www.loc.gov/METS/"
XLINK: Final = "http://www.w3.org/1999/xlink"


def to_mets(unit: ArchivalUnit, provenance: Provenance) -> bytes:
    """Return the METS file: images in the group "DEFAULT", ALTO in "FULLTEXT", the sheets in physical order."""
    ids = XmlIds()
    root = Element("mets", {"xmlns": NAMESPACE, "xmlns:xlink": XLINK, "OBJID": unit.id, "LABEL": unit.title})
    header = add_child(root, "metsHdr", {"CREATEDATE": provenance.created})
    agent = add_child(header, "agent", {"ROLE": "CREATOR", "TYPE": "OTHER", "OTHERTYPE": "SOFTWARE"})
    add_child(agent, "name", text=f"{provenance.software} {provenance.version}")
    for name, value in provenance.settings:
        add_child(agent, "note", text=f"{name}={value}")
    files = _add_files(root, unit, ids)
    whole = add_child(
        add_child(root, "structMap", {"TYPE": "PHYSICAL"}), "div", {"TYPE": "physSequence", "LABEL": unit.title}
    )
    for i, (sheet, names) in enumerate(zip(unit.sheets, files, strict=True), 1):
        part = add_child(whole, "div", {"TYPE": "page", "ORDER": str(i), "ORDERLABEL": sheet.label})
        for name in names:
            add_child(part, "fptr", {"FILEID": name})
    return xml_bytes(root)


def _add_files(root: Element, unit: ArchivalUnit, ids: XmlIds) -> list[list[str]]:
    """The ids of each sheet's files."""
    names = list[list[str]]()
    if not unit.sheets:
        return names
    section = add_child(root, "fileSec")
    groups = {"DEFAULT": [(sheet.image, sheet.media_type) for sheet in unit.sheets],
              "FULLTEXT": [(sheet.text, "application/alto+xml") for sheet in unit.sheets]}  # fmt: skip
    names = [[] for _ in unit.sheets]
    for use, files in groups.items():
        if not any(address for address, _ in files):
            continue
        group = add_child(section, "fileGrp", {"USE": use})
        for i, (address, media_type) in enumerate(files):
            if address:
                names[i].append(ids.new(f"{use}_{i + 1:04d}"))
                file = add_child(group, "file", {"ID": names[i][-1], "MIMETYPE": media_type})
                add_child(file, "FLocat", {"LOCTYPE": "URL", "xlink:href": address})
    return names
