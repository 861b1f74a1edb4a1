"""What is similar, or the near duplicates of an index, as one HTML file that opens offline."""

import base64
import datetime
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from capas.core.errors import CapasError
from capas.core.files import write_atomic
from capas.core.html import Markup, render_html
from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_metric, format_percent
from capas.core.output_files import marked_output
from capas.data.image.io import decode_image
from capas.representation.data_items import TEXT_COLUMN
from capas.representation.index.closeness import MIN_ITEMS, PAIRS, RandomPairs
from capas.representation.index.duplicates import DuplicateGroups
from capas.representation.index.item_files import ItemFiles
from capas.representation.index.queries import SimilarityQuery, on_one_line
from capas.representation.index.search import SimilarItems, SimilarityIndex
from capas.representation.index.snapshot import IndexedItem
from capas.version import __version__

TEMPLATE: Final = Path(__file__).with_suffix(".html")
# By which an earlier page is told from a file of the user's.
MARK: Final = '<meta name="generator" content="capas similar"/>'
RESULTS_PAGE: Final = marked_output((".html", ".htm"), MARK)
SIDE: Final = 320  # pixels of a preview, twice what it is shown with
SHOWN_GROUPS: Final = 60
SHOWN_MEMBERS: Final = 24
SHOWN_COLUMNS: Final = 6


def write_similar_page(
    path: Path, index: SimilarityIndex, files: ItemFiles, query: SimilarityQuery, results: SimilarItems
) -> None:
    """Write what a search found, the query first. Raises CapasError ``disk_full`` or ``cannot_write``."""
    pairs, hits = RandomPairs(index.snapshot), results.items[0]
    cards = [_card(hit.found, files) | _closeness(pairs, hit.similarity) for hit in hits]
    about = say("similar.page.about", n=format_decimal(len(hits), 0), total=format_decimal(results.searched, 0))
    notes = [about]
    if any(card["words"] for card in cards) and len(pairs.similarities):
        notes.append(say("similar.page.reference", n=format_decimal(PAIRS, 0)))
    elif not len(pairs.similarities):
        notes.append(say("similar.page.too_few", n=MIN_ITEMS))
    _write(
        path, index, say("similar.page.title", query=on_one_line(query.name)), notes, results.recall,
        query=_query_card(query, files), sections=[{"title": "", "cards": cards, "more": ""}],
        nothing="" if cards else nothing_found(index, results),
    )  # fmt: skip


def write_duplicates_page(
    path: Path, index: SimilarityIndex, files: ItemFiles, found: DuplicateGroups, min_similarity: float
) -> None:
    """Write groups of near duplicates, the largest first. Raises CapasError ``disk_full`` or ``cannot_write``."""
    least, total = trimmed(min_similarity), format_decimal(found.searched, 0)
    sections: list[dict[str, object]] = []
    for group in found.groups[:SHOWN_GROUPS]:
        items = index.snapshot.items(np.array(group.rows[:SHOWN_MEMBERS]))
        cards = [
            _card(item, files) | _similarity(value) | {"words": "" if place else say("similar.page.group_first")}
            for place, (item, value) in enumerate(zip(items, group.similarities, strict=False))
        ]
        left = len(group.rows) - len(items)
        sections.append({
            "title": say("similar.group", n=format_decimal(len(group.rows), 0)), "cards": cards,
            "more": say("similar.page.group_cut", n=format_decimal(left, 0)) if left else "",
        })  # fmt: skip
    extra = sum(len(group.rows) - 1 for group in found.groups)
    key = "similar.groups" if sections else "similar.no_groups"
    number = format_decimal(len(found.groups), 0)
    notes = [say(key, n=number, total=total, least=least, extra=format_decimal(extra, 0))]
    if len(found.groups) > SHOWN_GROUPS:
        notes.append(say("similar.page.cut", n=number, shown=SHOWN_GROUPS))
    _write(path, index, say("similar.page.duplicates"), notes, found.recall, query=None, sections=sections, nothing="")


def nothing_found(index: SimilarityIndex, results: SimilarItems) -> str:
    """Return why nothing was found."""
    if not len(index):
        return say("similar.empty")
    return say("similar.nothing" if results.conditions else "similar.only_itself")


def trimmed(similarity: float) -> str:
    """Return a similarity with as many decimals as it needs, up to four.

    >>> trimmed(0.97)
    '0.97'
    """
    return format_decimal(similarity, next((n for n in (2, 3) if round(similarity, n) == round(similarity, 4)), 4))


def _write(
    path: Path, index: SimilarityIndex, title: str, notes: Sequence[str], recall: dict[str, object] | None, *,
    query: dict[str, object] | None, sections: Sequence[dict[str, object]], nothing: str,
) -> None:  # fmt: skip
    if recall is not None:
        notes = [*notes, say("similar.approximate", recall=format_metric(recall), n=str(recall["n"]))]
    made = say("similar.page.by", encoder=index.snapshot.manifest.encoder or "?", version=__version__,
               date=datetime.datetime.now(datetime.UTC).date().isoformat())  # fmt: skip
    content = render_html(TEMPLATE, {
        "title": title, "mark": Markup(MARK), "notes": [note.replace(" %", "\u00a0%") for note in notes],
        "query": query,
        "sections": sections, "nothing": nothing, "made": made, "words": index.snapshot.manifest.medium == "text",
    })  # fmt: skip
    write_atomic(path, content)


def _closeness(pairs: RandomPairs, similarity: float) -> dict[str, object]:
    """A similarity as numbers and words."""
    level, share = pairs.closeness(similarity), pairs.share_below(similarity)
    told = {
        "words": "" if level is None else say(f"similar.words.{level}"), "level": level or "",
        "closer": "" if share is None else say("similar.page.closer", share=format_percent(_floored(share))),
    }  # fmt: skip
    return _similarity(similarity) | told


def _floored(share: float) -> float:
    """A share that rounding does not lift over the limit of the next word."""
    return math.floor(1000 * share) / 1000


def _similarity(similarity: float) -> dict[str, object]:
    return {"similarity": format_decimal(similarity, 3), "share": f"{max(0.0, similarity):.4f}", "level": "",
            "closer": "", "words": ""}  # fmt: skip


def _card(found: IndexedItem, files: ItemFiles) -> dict[str, object]:
    """An item as the page shows it."""
    item, path = found.item, files.path(found)
    missing = files.missing(found)
    preview = None if missing else files.thumbnail(found, SIDE)
    beside = [(name, cell) for name, cell in item.columns.items() if cell and name != TEXT_COLUMN][:SHOWN_COLUMNS]
    return {
        "name": item.name, "path": "" if path is None else str(path), "missing": missing, "beside": beside,
        "text": item.columns.get(TEXT_COLUMN, ""), "preview": _data_uri(preview),
    }  # fmt: skip


def _query_card(query: SimilarityQuery, files: ItemFiles) -> dict[str, object]:
    if query.found is not None:
        return _card(query.found, files) | {"name": query.name}
    preview = None if query.path is None else _image_preview(query.path)
    return {
        "name": query.name if query.text is None else "", "path": "" if query.path is None else str(query.path),
        "missing": False, "beside": [], "text": query.text or "", "preview": _data_uri(preview),
    }  # fmt: skip


def _image_preview(path: Path) -> bytes | None:
    """A WebP of an image file; None of any other."""
    try:
        pixels = decode_image(path, scale=True)
    except CapasError:
        return None
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels[..., :3])
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=70, method=2)
    return stream.getvalue()


def _data_uri(webp: bytes | None) -> Markup:
    return Markup("" if webp is None else f"data:image/webp;base64,{base64.b64encode(webp).decode()}")
