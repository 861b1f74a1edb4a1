"""Safe parsing of foreign XML (bounded size and depth, no DOCTYPE and so no entities), and writing of XML.

Elements are found by their local names: the versions of a standard differ in their namespaces.
"""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, SubElement, TreeBuilder, indent, tostring
from xml.parsers import expat

from capas.core.errors import CapasError
from capas.core.files import read_regular

MAX_BYTES: Final = 64_000_000
MAX_DEPTH: Final = 200
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def read_xml(path: Path, *roots: str) -> Element:
    """Return the root element of a file, which must have one of the names ``roots``.

    Raises:
        CapasError: ``unreadable``, ``xml_too_large``, and those of ``parse_xml``.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CapasError("xml_too_large", where=path, received=path.stat().st_size, limit=MAX_BYTES)
        content = read_regular(path, max_bytes=MAX_BYTES)
    except OSError as error:
        raise CapasError("unreadable", where=path, received=error.strerror or str(error)) from error
    root = parse_xml(content, str(path))
    if local_name(root) not in roots:
        raise CapasError("xml_wrong_root", where=path, received=local_name(root), roots=", ".join(roots))
    return root


def parse_xml(content: bytes, where: str) -> Element:
    """Return the root element. Raises CapasError ``xml_broken``, ``xml_encoding`` or ``xml_doctype``."""
    builder, depth = TreeBuilder(), 0
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise CapasError("xml_broken", where=where, received=f"depth > {MAX_DEPTH}")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def doctype(name: str, system: str | None, public: str | None, internal: int) -> None:
        raise CapasError("xml_doctype", where=where, received=name)

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = builder.data, doctype
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise CapasError(_key(content), where=where, received=str(error)) from error
    except (LookupError, UnicodeError) as error:
        raise CapasError("xml_encoding", where=where, received=str(error)) from error
    root: Element = builder.close()
    return root


def _key(content: bytes) -> str:
    """Bytes that are not UTF-8 in a file that says nothing else are the commonest fault, and have their own remedy."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"encoding=" in content[:100].lower().replace(b"utf-8", b""):
        return "xml_broken"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "xml_encoding"
    return "xml_broken"


def local_name(element: Element) -> str:
    """Return the element's local name, without its namespace."""
    return element.tag.rpartition("}")[2]


def find_children(element: Element, *names: str) -> Iterator[Element]:
    """Iterate over the children with one of these names, in order."""
    return (child for child in element if local_name(child) in names)


def find_descendants(element: Element, *names: str) -> Iterator[Element]:
    """Iterate over all descendants (and the element itself) with one of these names, in order."""
    return (found for found in element.iter() if local_name(found) in names)


def find_first(element: Element, *path: str) -> Element | None:
    """Return the first element along a path of names; None where there is none."""
    here: Element | None = element
    for name in path:
        here = None if here is None else next(find_children(here, name), None)
    return here


def parse_xml_number(text: str | None) -> float | None:
    """Return a finite number; None on anything else."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def parse_fraction(text: str | None) -> float | None:
    """Return a number in 0..1; None on anything else."""
    value = parse_xml_number(text)
    return value if value is not None and 0 <= value <= 1 else None


def xml_bytes(root: Element, *, closing_tags: bool = False) -> bytes:
    """Return UTF-8 with a declaration, indented by two spaces; characters that XML cannot hold are left out.

    With ``closing_tags`` empty elements get a closing tag, as browsers need.
    """
    indent(root)
    text: str = tostring(root, encoding="unicode", short_empty_elements=not closing_tags)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_FORBIDDEN.sub("", text)}\n'.encode()


def add_child(
    parent: Element, name: str, attributes: Mapping[str, str | None] | None = None, text: str = ""
) -> Element:
    """Add a child to ``parent``; attributes that are None are left out."""
    child = SubElement(parent, name, {key: value for key, value in (attributes or {}).items() if value is not None})
    child.text = text or None
    return child


class XmlIds:
    """Unique ids of elements in a file: the requested ones where XML allows them and they are free."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, requested: str) -> str:
        """Return ``requested``, or something like it."""
        name = re.sub(r"[^\w.-]", "_", requested)
        name = name if re.match(r"[^\W\d]", name) else f"_{name}"
        start, count = name, 1
        while name in self._taken:
            count += 1
            name = f"{start}_{count}"
        self._taken.add(name)
        return name


def format_coordinate(value: float) -> str:
    """Return a coordinate as text: whole numbers without a point, others as short as they can be read back.

    >>> format_coordinate(12.0), format_coordinate(0.5)
    ('12', '0.5')
    """
    return str(int(value)) if value == int(value) else repr(float(value))
