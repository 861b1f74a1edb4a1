"""Text inputs named on the command line or passed from Python, and how they are read."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from capas.core.errors import CapasError
from capas.core.files import is_file, is_folder, read_regular
from capas.data.sources.folder_listing import list_folder
from capas.data.tabular.io import decode_text
from capas.engine.recipe import Item


def text_items(words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
    """Yield text files, files of folders, and for "-" a text per line of ``lines``; a word with a blank in it is a text
    itself. Raises CapasError ``no_such_text``.
    """
    for text in words:
        if text == "-":
            yield from (Item(name=f"#{i + 1}", content=line.rstrip("\r\n")) for i, line in enumerate(lines))
        elif " " in text.strip() and not is_file(Path(text)):
            yield Item(name=text if len(text) <= 60 else f"{text[:59]}…", content=text)
        elif is_folder(Path(text)):
            yield from (Item(name=str(path), content=path) for path in list_folder(Path(text), follow_links=True).texts)
        elif is_file(Path(text)):
            yield Item(name=text, content=Path(text))
        else:
            raise CapasError("no_such_text", where=text)


def text_item(content: object, number: int) -> Item:
    """Wrap a text or its path passed from Python."""
    named = isinstance(content, Path)
    return Item(name=str(content) if named else f"text {number}", content=content)


def read_text_item(item: Item) -> str:
    """Return the text of an item. Raises CapasError ``no_such_text``, ``not_a_text``, ``text_empty`` or
    ``table_encoding``.
    """
    content = item.content
    if isinstance(content, Path):
        try:
            content = decode_text(content, read_regular(content), legacy=[])
        except OSError as error:
            raise CapasError("no_such_text", where=item.name) from error
    if not isinstance(content, str):
        raise CapasError("not_a_text", where=item.name, received=type(content).__name__)
    if not content.strip():
        raise CapasError("text_empty", where=item.name)
    return content
