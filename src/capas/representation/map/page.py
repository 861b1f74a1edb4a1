"""The page of a map: one HTML file that holds everything it shows, and asks for nothing from outside.

Names and texts of strangers stand in it compressed and in base64, and reach the screen as text only. Its policy allows
no script but its own, by hash, and no connection.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.core.html import Markup, render_html
from capas.core.i18n import LANGUAGES, choose_language, language, say
from capas.representation.map.map_columns import MapColumn
from capas.representation.map.quality import MapQuality
from capas.representation.map.sprites import ACROSS, Sprites
from capas.version import __version__

HERE: Final = Path(__file__).parent
# By which an earlier map is told from a file of the user's.
MARK: Final = '<meta name="generator" content="capas map"/>'
# The words of the page's script, and the places in them that it fills.
PAGE_WORDS: Final = (
    "map_label", "tools", "zoom_in", "zoom_out", "reset", "lasso", "lasso_hint", "pictures", "labels", "theme",
    "search", "hits", "hits_one", "select_hits", "go", "selected", "selected_one", "save", "clear", "file", "first",
    "colour_by", "no_colour", "no_value", "missing", "only", "all", "none", "grey", "belief", "kept", "kept_beside",
    "chance", "caution", "caution_pca", "trustworthiness", "continuity", "measures", "asked_some", "asked_all",
    "too_few", "points_image", "points_audio", "points_text", "points_tokens", "points_table", "some_pictures",
    "no_pictures", "made", "help", "keys", "no_webgl",
)  # fmt: skip
_FILLED_NAMES: Final = ("n", "all", "k", "kept", "pca", "asked", "points", "low", "high", "version")
_FILLED_LATER: Final = {name: f"{{{name}}}" for name in _FILLED_NAMES}


@dataclass(frozen=True, kw_only=True, slots=True)
class MapPage:
    """What a page shows of N items.

    Attributes:
        title: Name of the data.
        medium: Their medium.
        encoder: What made the vectors.
        method: Name of the method, as it is shown.
        names: N names.
        positions: Shape (N, 2), between -1 and 1.
        columns: What stands beside the items.
        colour: The number of the column that it is coloured by at first; -1 for none.
        qualities: Of this map, and of PCA beside it where it is another; empty with too few points.
        sprites: Thumbnails.
    """

    title: str
    medium: str
    encoder: str
    method: str
    names: Sequence[str]
    positions: NDArray[np.float32]
    columns: Sequence[MapColumn]
    colour: int
    qualities: Sequence[MapQuality]
    sprites: Sprites


def map_page_html(page: MapPage) -> Markup:
    """Return the page, in the current language; it can be switched to the other."""
    script = "\n".join((HERE / name).read_text(encoding="utf-8") for name in ("vendor/libraries.min.js", "page.js"))
    style = (HERE / "page.css").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    sprites = page.sprites
    facts = {
        "language": language(), "words": {tongue: _words(tongue) for tongue in LANGUAGES}, "count": len(page.names),
        "medium": page.medium, "encoder": page.encoder, "method": page.method, "colour": page.colour,
        "qualities": [quality.as_json() for quality in page.qualities], "version": __version__,
        "sheets": len(sprites.sheets), "across": ACROSS, "side": sprites.side, "pictures": len(sprites),
    }  # fmt: skip
    return render_html(Path(__file__).with_suffix(".html"), {
        "title": page.title, "mark": Markup(MARK), "policy": Markup(policy), "style": Markup(style), "facts": facts,
        "script": Markup(script), "blocks": {name: Markup(text) for name, text in _blocks(page).items()},
    })  # fmt: skip


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _words(tongue: str) -> dict[str, str]:
    """The words of the script in a language, which need not be that of this process."""

    def say_all() -> dict[str, str]:
        choose_language(tongue)
        return {word: say(f"map.words.{word}", **_FILLED_LATER) for word in PAGE_WORDS}

    return copy_context().run(say_all)


def _blocks(page: MapPage) -> dict[str, str]:
    """What the page holds in base64: numbers as their bytes, little-endian, and the rest as JSON, both by gzip."""
    columns: list[dict[str, object]] = []
    blocks = {"positions": _packed(page.positions.astype("<f4"))}
    for number, column in enumerate(page.columns):
        facts: dict[str, object] = {"name": column.name, "kind": column.kind}
        if column.codes is not None:
            facts["categories"] = column.categories
            blocks[f"column-{number}"] = _packed(column.codes.astype("<u2"))
        elif column.numbers is not None:
            facts |= {"low": column.low, "high": column.high}
            blocks[f"column-{number}"] = _packed(column.numbers.astype("<f4"))
        else:
            facts["values"] = column.texts
        columns.append(facts)
    # Escaped to ASCII: half a surrogate pair in a file's name cannot be encoded otherwise.
    items = json.dumps({"names": list(page.names), "columns": columns}, ensure_ascii=True)
    blocks["items"] = _compressed(items.encode())
    if page.sprites.sheets:
        blocks["slots"] = _packed(page.sprites.slots.astype("<i4"))
        blocks["sizes"] = _packed(page.sprites.sizes)
        for number, sheet in enumerate(page.sprites.sheets):
            blocks[f"sheet-{number}"] = base64.b64encode(sheet).decode()
    return blocks


def _packed(numbers: NDArray[np.generic]) -> str:
    return _compressed(np.ascontiguousarray(numbers).tobytes())


def _compressed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 6, mtime=0)).decode()
