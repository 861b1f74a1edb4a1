"""Page images where they lie: single images, multi-page TIFFs, PDFs, images at a IIIF address.

A page is a file and a frame number. Pixels are counted before anything is decoded; scanned pages are larger than
photographs, so the limit is higher than that of ``capas.data.image.io``.
"""

import errno
import os
import re
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from capas.core.errors import CapasError
from capas.core.files import MAX_READ_BYTES, hash_file, open_regular
from capas.core.i18n import say

if TYPE_CHECKING:
    import pypdfium2

MAX_PIXELS: Final = 175_000_000  # just below what Pillow refuses by itself; A0 at 300 dpi has 140 million
MAX_FRAMES: Final = 20_000
PDF_DPI: Final = 300
ROWS_AT_ONCE: Final = 256
POINTS_PER_INCH: Final = 72
PICTURES: Final = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".pgm", ".pbm", ".ppm")
SCANS: Final = (*PICTURES, ".pdf")
# Our own cap is checked on the same header and is an error; Pillow's warning would only add a second voice.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """One frame of a file, ``width`` × ``height`` pixels, upright."""

    path: Path
    frame: int
    width: int
    height: int


def scans_of(path: Path) -> list[Scan]:
    """Return the pages of a file, from its header.

    Raises:
        CapasError: ``page_unreadable``, ``page_too_large`` or ``extra_missing``.
    """
    if path.suffix.lower() == ".pdf":
        with _pdf(path) as document:
            sizes = [document.get_page_size(number) for number in range(min(len(document), MAX_FRAMES))]
        found = [tuple(max(1, round(side * PDF_DPI / POINTS_PER_INCH)) for side in size) for size in sizes]
    else:
        with _picture(path) as picture:
            found = [_size(picture, frame) for frame in range(min(getattr(picture, "n_frames", 1), MAX_FRAMES))]
    for width, height in found:
        if width * height > MAX_PIXELS:
            raise CapasError("page_too_large", where=path, received=width * height, most=MAX_PIXELS)
    return [Scan(path=path, frame=frame, width=w, height=h) for frame, (w, h) in enumerate(found)]


def decode_page(path: Path, frame: int = 0, *, hash: str = "") -> NDArray[np.uint8]:
    """Return the image of a page, upright, uint8 (H, W) if grey or bitonal, else (H, W, 3).

    Raises:
        CapasError: As ``scans_of``, and ``page_replaced`` where the file's hash is not ``hash``.
    """
    if hash and file_hash(path) != hash:
        raise CapasError("page_replaced", where=path)
    if path.suffix.lower() == ".pdf":
        with _pdf(path) as document:
            page = document[frame]
            drawn: NDArray[np.uint8] = page.render(scale=PDF_DPI / POINTS_PER_INCH).to_numpy()
            return np.ascontiguousarray(drawn[..., 2::-1]) if drawn.ndim == 3 and drawn.shape[2] >= 3 else drawn
    with _picture(path) as picture:
        picture.seek(frame)
        if picture.width * picture.height > MAX_PIXELS:
            raise CapasError("page_too_large", where=path, received=picture.width * picture.height, most=MAX_PIXELS)
        ImageOps.exif_transpose(picture, in_place=True)
        return _pixels(_plain(picture))


def file_hash(path: Path) -> str:
    """Return the content hash of a file. Raises CapasError ``page_unreadable``."""
    try:
        return hash_file(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _pixels(picture: Image.Image) -> NDArray[np.uint8]:
    """The pixels in one copy, band by band of the page: converting a whole picture at once makes three."""
    bands = picture.getbands()
    shape = (picture.height, picture.width) if len(bands) == 1 else (picture.height, picture.width, len(bands))
    pixels = np.empty(shape, dtype=np.uint8)
    for top in range(0, picture.height, ROWS_AT_ONCE):
        bottom = min(top + ROWS_AT_ONCE, picture.height)
        pixels[top:bottom] = np.asarray(picture.crop((0, top, picture.width, bottom)))
    return pixels


def _plain(picture: Image.Image) -> Image.Image:
    """Grey or RGB; of more than 8 bits the upper 8 that are in use, as scanners put 10 or 12 into 16; transparency lies
    on white."""
    if picture.mode in ("L", "RGB"):
        return picture
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode.startswith("I"):
        values = np.asarray(picture).astype(np.int64).clip(min=0)
        return Image.fromarray((values >> max(0, int(values.max()).bit_length() - 8)).astype(np.uint8))
    if "A" in picture.getbands() or "transparency" in picture.info:
        ground = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")
    return picture.convert("RGB")


def _size(picture: Image.Image, frame: int) -> tuple[int, int]:
    picture.seek(frame)
    # Pillow gives a TIFF's size upright already.
    turned = picture.format != "TIFF" and picture.getexif().get(ExifTags.Base.Orientation, 1) >= 5
    return (picture.height, picture.width) if turned else (picture.width, picture.height)


@contextmanager
def _picture(path: Path) -> Iterator[Image.Image]:
    try:
        # Not by its name: Pillow maps an uncompressed TIFF with its sides exchanged where it is turned (13.0).
        with open_regular(path) as stream, Image.open(stream) as picture:
            yield picture
    except Image.DecompressionBombError as error:
        pixels = next(iter(re.findall(r"\d+", str(error))), "?")
        raise CapasError("page_too_large", where=path, received=pixels, most=MAX_PIXELS) from error
    except CapasError:
        raise
    except Exception as error:  # decoders raise a dozen kinds on broken data; each is a fault of the file
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> CapasError:
    """What is wrong with a file, in words where we have them."""
    said = str(error).lower()
    reason = (
        "gone" if isinstance(error, FileNotFoundError)
        else "shut" if isinstance(error, PermissionError)
        else "empty" if path.is_file() and not path.stat().st_size
        else "locked" if "password" in said
        else "unknown" if isinstance(error, UnidentifiedImageError)
        else "cut" if "truncated" in said
        else ""
    )  # fmt: skip
    received = say(f"archive.reasons.{reason}") if reason else str(error) or type(error).__name__
    return CapasError("page_unreadable", where=path, received=received)


@contextmanager
def _pdf(path: Path) -> "Iterator[pypdfium2.PdfDocument]":
    try:
        import pypdfium2
    except ModuleNotFoundError as error:
        raise CapasError("extra_missing", where=path, received="pypdfium2", extra="archive") from error
    try:
        with open_regular(path) as stream:
            if (size := os.fstat(stream.fileno()).st_size) > MAX_READ_BYTES:  # pdfium may read all of it for its list
                raise OSError(errno.EFBIG, say("files.too_large", size=size, most=MAX_READ_BYTES), str(path))
        document = pypdfium2.PdfDocument(path)
    except (pypdfium2.PdfiumError, OSError) as error:
        raise _unreadable(path, error) from error
    try:
        yield document
    except pypdfium2.PdfiumError as error:
        raise _unreadable(path, error) from error
    finally:
        document.close()


def download_image(url: str, to: Path, *, timeout: float = 60.0, max_bytes: int = 200_000_000) -> Path:
    """Download an image (http or https) to the file ``to``, unless it is there. Raises CapasError ``cannot_fetch``."""
    if to.is_file():
        return to
    if not url.startswith(("http://", "https://")):
        raise CapasError("cannot_fetch", where=url, received=url.split(":")[0])
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            content = answer.read(max_bytes + 1)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise CapasError("cannot_fetch", where=url, received=str(error)) from error
    if len(content) > max_bytes:
        raise CapasError("cannot_fetch", where=url, received=f"> {max_bytes} bytes")
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_suffix(to.suffix + ".part")
    part.write_bytes(content)
    part.replace(to)
    return to
