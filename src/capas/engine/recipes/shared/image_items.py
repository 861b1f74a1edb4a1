"""Image inputs named on the command line or passed from Python, and how their pixels are read."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from capas.core.errors import CapasError
from capas.core.files import is_file, is_folder
from capas.data.image.io import MAX_PIXELS, decode_image
from capas.data.sources.folder_listing import list_folder
from capas.data.sources.samples import open_sample
from capas.engine.recipe import Item


def image_item(content: object, number: int) -> Item:
    """Wrap a path or an array passed from Python."""
    return Item(name=str(content) if isinstance(content, str | Path) else f"array {number}", content=content)


def read_image_item(item: Item, *, scale: bool = True) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return the pixels of an item, uint8 H×W×C; a file of more than ``MAX_PIXELS`` is scaled down if it may be.

    Raises:
        CapasError: ``not_a_picture_array`` and those of ``decode_image``.
    """
    content = item.content
    if isinstance(content, str | Path):
        return decode_image(Path(content), max_pixels=MAX_PIXELS, scale=scale)
    if not isinstance(content, np.ndarray) or content.dtype != np.uint8 or content.ndim not in (2, 3):
        raise CapasError("not_a_picture_array", where=item.name, received=type(content).__name__)
    if content.size == 0 or content.shape[2:] not in ((), (1,), (3,), (4,)):
        raise CapasError("not_a_picture_array", where=item.name, received="×".join(map(str, content.shape)))
    return content[..., None] if content.ndim == 2 else content


def image_items(words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
    """Yield the images that the user named.

    Args:
        words: Files, folders (searched recursively), "-", or ``sample:NAME`` for the test images of a sample.
        lines: Paths, one per line, read for "-".

    Raises:
        CapasError: ``no_such_picture``.
    """
    for text in words:
        if text == "-":
            paths = (line.rstrip("\r\n") for line in lines if line.strip())
            yield from (Item(name=path, content=Path(path)) for path in paths)
        elif text.startswith("sample:"):
            sample = open_sample(text.removeprefix("sample:"))
            for i, part in enumerate(sample.fixed_split):
                if part == "test":
                    yield Item(name=f"{text.removeprefix('sample:')}/{i:05d}", content=sample.images.decode(i))
        elif is_folder(Path(text)):
            yield from (
                Item(name=str(path), content=path) for path in list_folder(Path(text), follow_links=True).images
            )
        elif is_file(Path(text)):
            yield Item(name=text, content=Path(text))
        else:
            raise CapasError("no_such_picture", where=text)


def with_channels(picture: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Convert an image, uint8 H×W×C, to 1 (grey) or 3 (RGB) channels."""
    if picture.shape[2] == channels:
        return picture
    image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    converted = np.array(image.convert("L" if channels == 1 else "RGB"), dtype=np.uint8)
    return converted[..., None] if channels == 1 else converted
