"""METS written (https://www.loc.gov/standards/mets/): which pictures and texts make up a unit, and in what order."""

from typing import Final
from xml.etree.ElementTree import Element

from capas.pages.provenance import Provenance
from capas.pages.unit import Unit
from capas.pages.xml import Ids, add, to_bytes

NAMESPACE: Final = "http://www.loc.gov/METS/"
XLINK: Final = "http://www.w3.org/1999/xlink"


def as_mets(unit: Unit, made: Provenance) -> bytes:
    """The file: images in the group "DEFAULT", ALTO in "FULLTEXT", and the sheets in their physical order."""
    ids = Ids()
    root = Element("mets", {"xmlns": NAMESPACE, "xmlns:xlink": XLINK, "OBJID": unit.id, "LABEL": unit.title})
    header = add(root, "metsHdr", {"CREATEDATE": made.created})
    agent = add(header, "agent", {"ROLE": "CREATOR", "TYPE": "OTHER", "OTHERTYPE": "SOFTWARE"})
    add(agent, "name", text=f"{made.software} {made.version}")
    for name, value in made.settings:
        add(agent, "note", text=f"{name}={value}")
    files = _add_files(root, unit, ids)
    whole = add(add(root, "structMap", {"TYPE": "PHYSICAL"}), "div", {"TYPE": "physSequence", "LABEL": unit.title})
    for i, (sheet, names) in enumerate(zip(unit.sheets, files, strict=True), 1):
        part = add(whole, "div", {"TYPE": "page", "ORDER": str(i), "ORDERLABEL": sheet.label})
        for name in names:
            add(part, "fptr", {"FILEID": name})
    return to_bytes(root)


def _add_files(root: Element, unit: Unit, ids: Ids) -> list[list[str]]:
    """The ids of each sheet's files."""
    names = list[list[str]]()
    if not unit.sheets:
        return names
    section = add(root, "fileSec")
    groups = {"DEFAULT": [(sheet.image, sheet.media_type) for sheet in unit.sheets],
              "FULLTEXT": [(sheet.text, "application/alto+xml") for sheet in unit.sheets]}  # fmt: skip
    names = [[] for _ in unit.sheets]
    for use, files in groups.items():
        if not any(address for address, _ in files):
            continue
        group = add(section, "fileGrp", {"USE": use})
        for i, (address, media_type) in enumerate(files):
            if address:
                names[i].append(ids.new(f"{use}_{i + 1:04d}"))
                file = add(group, "file", {"ID": names[i][-1], "MIMETYPE": media_type})
                add(file, "FLocat", {"LOCTYPE": "URL", "xlink:href": address})
    return names
