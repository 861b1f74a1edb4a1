"""IIIF manifests (https://iiif.io/api/presentation/3.0/): reads versions 2 and 3, writes version 3."""

import json
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from capas.core.errors import CapasError
from capas.core.parsing import parse_json
from capas.page_formats.provenance import Provenance
from capas.page_formats.unit import ArchivalUnit, Sheet

CONTEXT: Final = "http://iiif.io/api/presentation/3/context.json"
ALTO_PROFILE: Final = "http://www.loc.gov/standards/alto/v4/alto.xsd"
MAX_BYTES: Final = 64_000_000
Tree = Mapping[str, object]


def read_manifest(content: bytes, where: str) -> ArchivalUnit:
    """Return the sheets of a manifest; canvases without an image are left out. Raises CapasError ``not_a_manifest``."""
    if len(content) > MAX_BYTES:
        raise CapasError("not_a_manifest", where=where, received=f"{len(content)} bytes")
    try:
        tree = parse_json(content)
    except ValueError as error:
        raise CapasError("not_a_manifest", where=where, received=str(error)) from error
    root = _tree(tree)
    kind = str(root.get("type") or root.get("@type") or type(tree).__name__)
    if kind not in ("Manifest", "sc:Manifest"):
        raise CapasError("not_a_manifest", where=where, received=kind)
    old = kind.startswith("sc:")
    canvases = _trees(
        _tree(next(iter(_list(root.get("sequences"))), None)).get("canvases") if old else root.get("items")
    )
    sheets = [_sheet(canvas, str(i), old) for i, canvas in enumerate(canvases, 1)]
    found = tuple(sheet for sheet in sheets if sheet is not None)
    if not found:
        raise CapasError("not_a_manifest", where=where, received="0 images")
    name = _address(root)
    return ArchivalUnit(id=name, title=_words(root.get("label")), sheets=found, address=_first_id(root.get("homepage")))


def _tree(value: object) -> Tree:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _trees(value: object) -> list[Tree]:
    return [one for one in _list(value) if isinstance(one, dict)]


def _address(tree: Tree) -> str:
    return str(tree.get("id") or tree.get("@id") or "")


def _first_id(value: object) -> str:
    return next((name for one in _trees(value) if (name := _address(one))), "")


def _words(label: object) -> str:
    """Text in any of the forms of both versions: plain, with a language, or by language; of several, the first."""
    if isinstance(label, str):
        return label.encode("utf-8", "replace").decode("utf-8")  # "\\ud800": half a character, which no database holds
    if isinstance(label, list):
        return _words(label[0]) if label else ""
    tree = _tree(label)
    return _words(tree["@value"]) if "@value" in tree else _words(next(iter(tree.values()), ""))


def _size(tree: Tree, name: str) -> int:
    value = tree.get(name)
    return int(value) if isinstance(value, int | float) and 0 < value < 1e9 else 0


def _is_web_address(address: str) -> bool:
    try:
        return urlsplit(address).scheme in ("http", "https") and address.isprintable()
    except ValueError:  # http://[::1/
        return False


def _sheet(canvas: Tree, number: str, old: bool) -> Sheet | None:
    """The first image painted on a canvas, by http or https; a choice of several means its first."""
    if old:
        held = [_tree(one.get("resource")) for one in _trees(canvas.get("images"))]
        bodies = [_tree(one["default"]) if "default" in one else one for one in held]
    else:
        pages = _trees(canvas.get("items"))
        bodies = [body for page in pages for one in _trees(page.get("items")) for body in _trees(one.get("body"))]
        bodies = [inner for body in bodies for inner in (_trees(body.get("items")) or [body])[:1]]
    for body in bodies:
        address = _address(body)
        if _is_web_address(address):
            texts = [one for one in _trees(canvas.get("seeAlso")) if "alto" in str(one.get("profile", "")).casefold()]
            return Sheet(
                label=_words(canvas.get("label")) or number, image=address, text=_first_id(texts),
                width=_size(body, "width") or _size(canvas, "width"),
                height=_size(body, "height") or _size(canvas, "height"),
            )  # fmt: skip
    return None


def to_manifest(unit: ArchivalUnit, address: str, provenance: Provenance) -> bytes:
    """Return the manifest that will lie at ``address`` (a URL).

    Raises:
        ValueError: There is no sheet, or one has no size, which IIIF requires of every canvas.
    """
    missing = [sheet.label for sheet in unit.sheets if min(sheet.width, sheet.height) < 1]
    if missing or not unit.sheets:
        raise ValueError(f"sheets without a size: {missing[:3]} of {len(unit.sheets)}")
    base = address.rpartition("/")[0]
    facts = (
        ("software", f"{provenance.software} {provenance.version}"),
        ("created", provenance.created),
        *provenance.settings,
    )
    manifest: dict[str, object] = {
        "@context": CONTEXT, "id": address, "type": "Manifest", "label": _none(unit.title or unit.id),
        "metadata": [{"label": _none("reference"), "value": _none(unit.id)},
                     *({"label": _none(name), "value": _none(value)} for name, value in facts)],
        "items": [_canvas(sheet, f"{base}/canvas/{i}") for i, sheet in enumerate(unit.sheets, 1)],
    }  # fmt: skip
    if unit.address:
        manifest["homepage"] = [{"id": unit.address, "type": "Text", "label": _none(unit.title or unit.id),
                                 "format": "text/html"}]  # fmt: skip
    return (json.dumps(manifest, ensure_ascii=False, indent=2) + "\n").encode()


def _none(text: str) -> dict[str, list[str]]:
    """A text in no language in particular."""
    return {"none": [text]}


def _canvas(sheet: Sheet, name: str) -> dict[str, object]:
    size = {"width": sheet.width, "height": sheet.height}
    painting = {
        "id": f"{name}/image", "type": "Annotation", "motivation": "painting", "target": name,
        "body": {"id": sheet.image, "type": "Image", "format": sheet.media_type, **size},
    }  # fmt: skip
    canvas: dict[str, object] = {
        "id": name, "type": "Canvas", "label": _none(sheet.label), **size,
        "items": [{"id": f"{name}/page", "type": "AnnotationPage", "items": [painting]}],
    }  # fmt: skip
    if sheet.text:
        canvas["seeAlso"] = [
            {"id": sheet.text, "type": "Dataset", "format": "application/xml", "profile": ALTO_PROFILE}
        ]
    return canvas
