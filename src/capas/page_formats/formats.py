"""The page formats, by the root element of their files and by what users call them."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from capas.core.errors import CapasError
from capas.core.files import open_regular
from capas.page_formats.alto import read_alto
from capas.page_formats.alto_write import to_alto
from capas.page_formats.hocr import read_hocr
from capas.page_formats.hocr_write import to_hocr
from capas.page_formats.page import Page, ParsedPage
from capas.page_formats.pagexml import read_pagexml
from capas.page_formats.pagexml_write import to_pagexml
from capas.page_formats.provenance import Provenance
from capas.page_formats.tei import read_tei
from capas.page_formats.tei_write import to_tei

# The name of the root element, and what reads it.
READERS: Final[Mapping[str, Callable[[Path], ParsedPage]]] = MappingProxyType(
    {"alto": read_alto, "PcGts": read_pagexml, "TEI": read_tei, "html": read_hocr}
)
WRITERS: Final[Mapping[str, Callable[[Page, Provenance], bytes]]] = MappingProxyType(
    {"alto": to_alto, "page": to_pagexml, "tei": to_tei, "hocr": to_hocr}
)
# The others may be texts or web pages of any kind.
_ALWAYS_PAGES: Final = frozenset({"alto", "PcGts"})
_BEGINNING: Final = 4096


def root_element_name(path: Path) -> str:
    """Return the local name of the root element of an XML file, "" where there is none near its beginning."""
    try:
        with open_regular(path) as stream:
            start = stream.read(_BEGINNING)
    except OSError:
        return ""
    wide = "utf-16" if start.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    text = re.sub(r"<!--.*?(-->|$)|<[?!].*?>", "", start.decode(wide, "ignore"), flags=re.DOTALL)
    found = re.search(r"<(?:[\w.-]+:)?([\w.-]+)", text)
    return found[1] if found else ""


def is_page_file(path: Path) -> bool:
    """Return whether a file describes a page and nothing else: ALTO or PAGE."""
    return root_element_name(path) in _ALWAYS_PAGES


def read_page(path: Path) -> ParsedPage:
    """Read a page in any of the formats. Raises CapasError ``xml_wrong_root``, and those of its reader."""
    root = root_element_name(path)
    if root not in READERS:
        raise CapasError("xml_wrong_root", where=path, received=root or path.name, roots=", ".join(READERS))
    return READERS[root](path)
