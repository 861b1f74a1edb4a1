"""What a search begins with: a file, an item of the index, or words."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.core.files import is_file
from capas.core.i18n import say
from capas.core.spec import Medium
from capas.data.problems import escape_unprintable
from capas.engine.encoders.encoder import Encoder, Truncates, encode_contents
from capas.representation.embed import other_medium
from capas.representation.encoders import open_encoder
from capas.representation.index.item_names import rows_named
from capas.representation.index.search import SimilarityIndex
from capas.representation.index.snapshot import IndexedItem

SHOWN: Final = 120  # characters of a query that are repeated
_FILES: Final[tuple[Medium, ...]] = ("image", "audio", "text")


@dataclass(frozen=True, kw_only=True, slots=True)
class SimilarityQuery:
    """What is searched for.

    Attributes:
        name: As the user gave it.
        truncated: Whether it is a text of which the network read only the beginning.
        vector: Shape (D,).
        path: The file, where it is one.
        text: The words, where it is words.
        found: The item of the index, where it is one; it is not among what is found.
    """

    name: str
    vector: NDArray[np.float32]
    path: Path | None = None
    text: str | None = None
    found: IndexedItem | None = None
    truncated: bool = False


def on_one_line(query: str) -> str:
    """Return a query as it is repeated: on one line, at most 120 characters.

    >>> on_one_line("a\\nb")
    'a\\\\nb'
    """
    text = escape_unprintable(query[: SHOWN + 1])
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def open_query(
    index: SimilarityIndex, given: str | None, *, text: str | None = None, encoder: Encoder | None = None
) -> SimilarityQuery:
    """Return what to search for.

    Args:
        index: The index.
        given: A file; else the name of an item of the index; else, in an index of texts, a text.
        text: Words instead, for an encoder that reads texts.
        encoder: The one that made the index; opened by its name if None, where it is needed.

    Raises:
        CapasError: ``query_missing``, ``no_such_item``, ``index_without_encoder``, ``encoder_of_other_medium``,
            ``index_encoder_changed``, ``index_network_moved``, ``index_not_of_files``, and those of ``open_encoder``
            and of reading the file.
    """
    snapshot = index.snapshot
    if text is not None:
        if not text.strip():
            raise CapasError("query_missing", where="--text")
        return _encoded(index, text, text, "text", encoder)
    if given is None or not given.strip():
        raise CapasError("query_missing", where=snapshot.folder)
    path = Path(given).expanduser()
    medium = next((one for one in _FILES if one == snapshot.manifest.medium), None)
    if is_file(path) and medium is not None:
        return _encoded(index, given, path, medium, encoder)
    rows = rows_named(snapshot, given)
    if len(rows):
        found = snapshot.items(rows[:1])[0]
        return SimilarityQuery(name=given, vector=snapshot.vectors(rows[:1])[0], found=found)
    if snapshot.manifest.medium == "text":
        return _encoded(index, given, given, "text", encoder)
    if is_file(path) and not snapshot.manifest.fingerprint:
        raise CapasError("index_without_encoder", where=snapshot.folder, received=on_one_line(given))
    if is_file(path):
        medium_read = say(f"vectors.media.{snapshot.manifest.medium}")
        raise CapasError("index_not_of_files", where=snapshot.folder, received=on_one_line(given), medium=medium_read)
    raise CapasError("no_such_item", where=snapshot.folder, received=on_one_line(given))


def _encoded(
    index: SimilarityIndex, name: str, content: str | Path, medium: Medium, encoder: Encoder | None
) -> SimilarityQuery:
    manifest = index.snapshot.manifest
    if not manifest.fingerprint:
        raise CapasError("index_without_encoder", where=index.snapshot.folder, received=on_one_line(name))
    chosen = encoder if encoder is not None else _maker(index)
    if chosen.fingerprint != manifest.fingerprint:
        raise CapasError("index_encoder_changed", where=index.snapshot.folder, received=chosen.name)
    if medium not in chosen.media:
        raise other_medium(chosen, medium)
    before = chosen.truncated if isinstance(chosen, Truncates) else 0
    vector = encode_contents(chosen, [content])[0]
    truncated = isinstance(chosen, Truncates) and chosen.truncated > before
    path = content if isinstance(content, Path) else None
    text = content if isinstance(content, str) else None
    return SimilarityQuery(name=name, vector=vector, path=path, text=text, truncated=truncated)


def _maker(index: SimilarityIndex) -> Encoder:
    """The encoder that made an index, where it was then. Raises CapasError ``index_network_moved`` where it is not."""
    name = index.snapshot.manifest.encoder
    try:
        return open_encoder(name, fetch=False)
    except CapasError as error:
        if error.key == "encoder_unknown":
            raise CapasError("index_network_moved", where=index.snapshot.folder, received=name) from error
        raise
