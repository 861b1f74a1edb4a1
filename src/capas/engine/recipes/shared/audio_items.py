"""Audio inputs named on the command line."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from capas.core.errors import CapasError
from capas.core.files import is_file, is_folder
from capas.data.sources.folder_listing import list_folder
from capas.engine.recipe import Item


def audio_items(words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
    """Yield audio files, files of folders, and for "-" a path per line of ``lines``. Raises CapasError
    ``no_such_sound``.
    """
    for text in words:
        if text == "-":
            paths = (line.rstrip("\r\n") for line in lines if line.strip())
            yield from (Item(name=path, content=Path(path)) for path in paths)
        elif is_folder(Path(text)):
            yield from (
                Item(name=str(path), content=path) for path in list_folder(Path(text), follow_links=True).audio_files
            )
        elif is_file(Path(text)):
            yield Item(name=text, content=Path(text))
        else:
            raise CapasError("no_such_sound", where=text)
