"""The files behind the items of an index, and what they look like on a page."""

from pathlib import Path

from capas.core.files import is_file, is_folder
from capas.representation.index.snapshot import IndexedItem
from capas.representation.previews import Previews
from capas.representation.vectors import VectorItem


class ItemFiles:
    """Files and previews of items from any number of data sources; each source is opened once, when it is needed.

    Args:
        medium: Medium of the items: images and sounds have files.
    """

    def __init__(self, medium: str) -> None:
        self._has_files = medium in ("image", "audio")
        self._sources: dict[str, tuple[Previews, dict[str, int]]] = {}

    def path(self, found: IndexedItem) -> Path | None:
        """Return where an item's file is, or was; None of an item that has none."""
        if not self._has_files or found.data.startswith("sample:"):
            return None
        data = Path(found.data)
        if is_folder(data) or not is_file(data):
            direct = data / found.item.name
            if found.item.name.isascii() or is_file(direct):
                return direct
            # A name with bytes that are not UTF-8 is kept as it can be read, and is not the file's own.
            return self._previews(found.data).path(self._located(found)) or direct
        there = self._previews(found.data).path(self._located(found))
        return there if there is not None else data.parent / found.item.name

    def missing(self, found: IndexedItem) -> bool:
        """Whether an item has a file that is gone."""
        path = self.path(found)
        return path is not None and not is_file(path)

    def thumbnail(self, found: IndexedItem, side: int) -> bytes | None:
        """Return a WebP of at most ``side`` × ``side`` pixels; None of what has none."""
        if self.missing(found):
            return None
        return self._previews(found.data).thumbnail(self._located(found), side)

    def _previews(self, data: str) -> Previews:
        return self._source(data)[0]

    def _source(self, data: str) -> tuple[Previews, dict[str, int]]:
        if data not in self._sources:
            previews = Previews(data)
            items = previews.items
            places = {} if items is None else {items.name(index): index for index in range(len(items))}
            self._sources[data] = previews, places
        return self._sources[data]

    def _located(self, found: IndexedItem) -> VectorItem:
        """The item with its present place in the data: others may have come before it since it was indexed."""
        item = found.item
        index = self._source(found.data)[1].get(item.name, item.index)
        return VectorItem(name=item.name, index=index, hash=item.hash, columns=item.columns)
