"""Image files and arrays: counted, named, measured by their header, and decoded safely.

Whatever a file holds, ``decode`` gives uint8 (H, W, C), upright, with C = 1 (grey) or 3 (RGB):

- EXIF orientation is applied; of an animation or a file of many pages the first frame is taken;
- transparency is composited on white; palettes and CMYK become RGB; 1-bit becomes grey 0 or 255;
- 16-bit grey keeps its upper 8 bits; where the values use 8, 10, 12 or 14 bits only, as cameras put them into 16, the
  upper 8 of those; floating point must lie in 0..1 and is multiplied by 255.

The number of pixels is read from the header and checked before anything is decoded; larger images are an error, or
scaled down where the caller says that they may be. A truncated file is an error, never an image with a grey half.
"""

import io
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError, features

from capas.core.errors import CapasError
from capas.core.files import content_hash, open_regular, read_regular, write_atomic
from capas.data.image.large import can_reduce, load_reduced, open_without_pixel_limit, reduced_size, reduction_factor
from capas.data.naming import readable_name

Values = TypeVar("Values", NDArray[np.int64], NDArray[np.float64])
MAX_PIXELS: Final = 50_000_000
MAX_PIXELS_OF_ONE_THREAD: Final = 2**16  # reading smaller images by several costs three times what it saves
_MAX_AT_ONCE: Final = 64_000_000  # bytes of a file that is held whole
_ORIENTATION_MARKS: Final = (
    b"xif",
    b"XIF",
    b"XIf",
    b"adobe",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
)  # EXIF, XMP, TIFF
_HEIC_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_OPTIONAL_FORMATS: Final = {"avif": "AVIF", "jpg_2000": "JPEG2000"}  # which not every build of Pillow decodes
IMAGE_FORMATS: Final = (
    "JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM",
    *(form for feature, form in _OPTIONAL_FORMATS.items() if features.check(feature)),
)  # fmt: skip
SUFFIXES: Final = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".jpe", ".mpo"),  # a phone's JPEG with a second picture inside
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "AVIF": (".avif",),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "HEIF": (".heic", ".heif", ".hif"),  # with the extra "heic"
}
# Our own cap is checked on the same header and is an error; Pillow's warning would only add a second voice.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageInfo:
    """The header of an image file.

    Attributes:
        width: Upright width in pixels.
        height: Upright height in pixels.
        mode: Pillow's mode.
        format: Pillow's format.
        frames: 1 unless animated or of many pages.
        bytes: File size.
        wrong_extension: Whether the file's name announces another format.
        rotated: Whether EXIF rotates or mirrors it.
        scaled_from: Width and height in the file, where it is scaled down to be decoded.
    """

    width: int
    height: int
    mode: str
    format: str
    frames: int
    bytes: int
    wrong_extension: bool
    rotated: bool
    scaled_from: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadImage:
    """An image file that was read once: its header, its pixels (uint8, (H, W, C)) and the hash of its bytes."""

    info: ImageInfo
    pixels: NDArray[np.uint8]
    hash: str


class _FileBytes(bytes):
    """The bytes of a file that is known by its path."""

    path: Path


@runtime_checkable
class ImageCollection(Protocol):
    """An indexed collection of images."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Return the path relative to the collection's root, or ``prefix/00017``."""

    def decode(self, index: int) -> NDArray[np.uint8]:
        """Return the image, uint8 (H, W, C), C = 1 or 3, upright, at its native size. Raises CapasError."""

    def info(self, index: int) -> ImageInfo:
        """Return the header, without decoding. Raises CapasError."""

    def content_hash(self, index: int) -> str:
        """Return the hash of the file's bytes, or of the array's."""


class ImageFiles:
    """Images in files.

    Args:
        paths: The files.
        root: What their names are relative to.
        max_pixels: Limit of width × height of each.
        scale: Scale larger ones down instead of refusing them.
    """

    def __init__(self, paths: Sequence[Path], root: Path, max_pixels: int = MAX_PIXELS, *, scale: bool = False) -> None:
        self.paths = tuple(paths)
        self.root = root
        self.max_pixels = max_pixels
        self.scale = scale

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        """Return the path relative to the root, with "/" on every system; the whole path when it lies elsewhere."""
        path = self.paths[index]
        inside = path.is_relative_to(self.root)
        return readable_name((path.relative_to(self.root) if inside else path).as_posix())

    def decode(self, index: int) -> NDArray[np.uint8]:
        """See ``decode_image``."""
        return decode_image(self.paths[index], max_pixels=self.max_pixels, scale=self.scale)

    def info(self, index: int) -> ImageInfo:
        """See ``read_image_info``."""
        return read_image_info(self.paths[index], max_pixels=self.max_pixels, scale=self.scale)

    def read(self, index: int) -> ReadImage:
        """Return what ``info``, ``decode`` and ``content_hash`` do, reading a small file once instead of five times."""
        path = self.paths[index]
        try:
            small = path.stat().st_size <= _MAX_AT_ONCE
            data = _FileBytes(read_regular(path)) if small else None
        except OSError as error:
            raise _decoding_error(path, error) from error
        if data is None:
            return ReadImage(info=self.info(index), pixels=self.decode(index), hash=self.content_hash(index))
        data.path = path
        info, pixels = _read_info_and_pixels(data, self.max_pixels, self.scale)
        return ReadImage(info=info, pixels=pixels, hash=content_hash(data))

    def content_hash(self, index: int) -> str:
        """Return the hash of the file's bytes. Raises CapasError ``picture_unreadable``."""
        try:
            return content_hash(read_regular(self.paths[index]))
        except OSError as error:
            raise _decoding_error(self.paths[index], error) from error


class ImageArray:
    """Images in one uint8 array, (N, H, W) or (N, H, W, C) with C = 1 or 3.

    Raises CapasError ``array_not_pictures``.
    """

    def __init__(self, arrays: NDArray[np.generic], prefix: str) -> None:
        shaped = arrays[..., np.newaxis] if arrays.ndim == 3 else arrays
        if shaped.dtype != np.uint8 or shaped.ndim != 4 or shaped.shape[3] not in (1, 3):
            received = f"{arrays.dtype} {'×'.join(map(str, arrays.shape))}"
            raise CapasError("array_not_pictures", where=prefix, received=received)
        self.arrays = shaped.astype(np.uint8, copy=False)
        self.prefix = prefix

    def __len__(self) -> int:
        return len(self.arrays)

    def name(self, index: int) -> str:
        """Return ``prefix/00017``."""
        return f"{self.prefix}/{index:05d}"

    def decode(self, index: int) -> NDArray[np.uint8]:
        """Return a view of the array, uint8 (H, W, C)."""
        picture: NDArray[np.uint8] = self.arrays[index]
        return picture

    def info(self, index: int) -> ImageInfo:
        """Return the array's dimensions; ``format`` is "array"."""
        height, width, channels = self.arrays[index].shape
        return ImageInfo(
            width=width, height=height, mode="L" if channels == 1 else "RGB", format="array", frames=1,
            bytes=self.arrays[index].nbytes, wrong_extension=False, rotated=False,
        )  # fmt: skip

    def content_hash(self, index: int) -> str:
        """Return the hash of the image's pixels."""
        return content_hash(self.arrays[index].tobytes())


def decode_image(source: Path | bytes, *, max_pixels: int = MAX_PIXELS, scale: bool = False) -> NDArray[np.uint8]:
    """Decode a file or a file's bytes to uint8 (H, W, C), C = 1 or 3, upright, at its native size.

    Args:
        source: The file, or its bytes.
        max_pixels: Limit of width × height.
        scale: Divide the sides of a larger image by the whole number that brings it within the limit.

    Raises:
        CapasError: ``extra_missing`` (HEIC without its extra), ``picture_empty``, ``picture_not_a_picture``,
            ``picture_foreign``, ``picture_foreign_damaged``, ``picture_too_large``, ``picture_truncated``,
            ``picture_range`` or ``picture_unreadable``.
    """
    with _opened(source, max_pixels, scale) as image:
        factor = reduction_factor(*image.size, max_pixels)
        if factor > 1:
            return _to_uint8(ImageOps.exif_transpose(load_reduced(image, factor)), source)
        image.load()
        return _to_uint8(ImageOps.exif_transpose(image), source)


def _read_info_and_pixels(data: _FileBytes, max_pixels: int, scale: bool) -> tuple[ImageInfo, NDArray[np.uint8]]:
    """What ``read_image_info`` and ``decode_image`` return."""
    if any(data.find(mark) >= 0 for mark in _ORIENTATION_MARKS):
        return (
            read_image_info(data, max_pixels=max_pixels, scale=scale),
            decode_image(data, max_pixels=max_pixels, scale=scale),
        )
    # Nothing tells of a turned image, which is looked for before and behind the pixels.
    with _opened(data, max_pixels, scale) as image:
        info = _image_info(image, data, max_pixels, orientation=1)
        if info.frames == 1 and info.scaled_from is None:
            image.load()
            return info, _to_uint8(image, data)
    return info, decode_image(data, max_pixels=max_pixels, scale=scale)


def read_image_info(source: Path | bytes, *, max_pixels: int = MAX_PIXELS, scale: bool = False) -> ImageInfo:
    """Read the header of a file. Raises CapasError as ``decode_image`` does, as far as a header can tell."""
    with _opened(source, max_pixels, scale) as image:
        # The base class's getexif: the one for PNG would decode the whole picture to find a late chunk.
        orientation = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
        return _image_info(image, source, max_pixels, orientation)


def _image_info(image: Image.Image, source: Path | bytes, max_pixels: int, orientation: int) -> ImageInfo:
    frames = int(getattr(image, "n_frames", 1))
    width, height = image.size
    if orientation in (5, 6, 7, 8) and image.format != "TIFF":  # Pillow turns a TIFF's size itself
        width, height = height, width
    factor = reduction_factor(width, height, max_pixels)
    scaled_from = (width, height) if factor > 1 else None
    width, height = reduced_size(width, height, factor)
    path = _path(source)
    suffix = "" if path is None else path.suffix.lower()
    return ImageInfo(
        width=width, height=height, mode=image.mode, format=image.format or "", frames=frames,
        bytes=_file_bytes(source),
        wrong_extension=bool(suffix) and suffix not in SUFFIXES.get(image.format or "", ()),
        rotated=orientation in range(2, 9), scaled_from=scaled_from,
    )  # fmt: skip


@contextmanager
def _opened(source: Path | bytes, max_pixels: int, scale: bool) -> Iterator[Image.Image]:
    """The header, with the number of pixels checked; whatever a decoder raises inside becomes a
    CapasError."""
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open_regular(source) as stream:
            if not stream.read(1):
                raise CapasError("picture_empty", where=_where(source))
            stream.seek(0)
            image = _open(stream, source, scale)
            if image.width * image.height > max_pixels and not (scale and can_reduce(image, _file_bytes(source))):
                raise _too_large(source, image.width * image.height, max_pixels)
            yield image
    except (CapasError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        pixels = re.search(r"\((\d+) pixels\)", str(error))
        raise _too_large(source, int(pixels[1]) if pixels else None, max_pixels) from error
    except UnidentifiedImageError as error:
        brand = _foreign_brand(source)
        if brand == "HEIC" or brand in IMAGE_FORMATS:
            raise CapasError("picture_foreign_damaged", where=_where(source), received=brand) from error
        key = "picture_foreign" if brand else "picture_not_a_picture"
        raise CapasError(key, where=_where(source), received=brand, formats=", ".join(IMAGE_FORMATS)) from error
    except Exception as error:  # decoders raise a dozen kinds on broken data; each is a fault of the file
        raise _decoding_error(source, error) from error


def _file_bytes(source: Path | bytes) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def _open(stream: io.BytesIO | io.BufferedReader, source: Path | bytes, scale: bool) -> Image.Image:
    formats = IMAGE_FORMATS
    if _foreign_brand(source) == "HEIC":
        formats = (*IMAGE_FORMATS, _heif(source))
    try:
        return Image.open(stream, formats=formats)
    except Image.DecompressionBombError:
        if not scale:
            raise
        return open_without_pixel_limit(stream, formats)


def _heif(source: Path | bytes) -> str:
    """Name of the format HEIC, for which there is a decoder from now on. Raises CapasError ``extra_missing``."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise CapasError("extra_missing", where=_where(source), received="pillow-heif", extra="heic") from error
    register_heif_opener()
    return "HEIF"


def _foreign_brand(source: Path | bytes) -> str:
    """HEIC, AVIF or PDF, whatever the file's name says; "" for others."""
    if isinstance(source, Path):
        with open_regular(source) as stream:
            start = stream.read(16)
    else:
        start = source[:16]
    if start.startswith(b"%PDF"):
        return "PDF"
    brand = start[8:12] if start[4:8] == b"ftyp" else b""
    return "AVIF" if brand in (b"avif", b"avis") else "HEIC" if brand in _HEIC_BRANDS else ""


def _to_uint8(image: Image.Image, source: Path | bytes) -> NDArray[np.uint8]:
    """uint8 H×W×C of an upright image; the rules stand at the top of the file."""
    if image.mode.startswith("I"):  # I;16, I;16B, and I: 16 bits that some formats hold in 32
        integers = _within(np.asarray(image).astype(np.int64), 65535, source)
        return (integers >> bits_in_use(integers) - 8).astype(np.uint8)[..., np.newaxis]
    if image.mode == "F":
        shares = _within(np.asarray(image, dtype=np.float64), 1, source)
        return np.rint(shares * 255).astype(np.uint8)[..., np.newaxis]
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        return _on_white(np.asarray(image.convert("LA" if grey else "RGBA"), dtype=np.uint16))
    pixels = np.array(image.convert("L" if grey else "RGB"), dtype=np.uint8)
    return pixels[..., np.newaxis] if grey else pixels


def bits_in_use(integers: NDArray[np.int64]) -> int:
    """Return how many bits a camera must have had for these values: 8, 10, 12, 14 or 16.

    >>> bits_in_use(np.array([0, 250])), bits_in_use(np.array([4095])), bits_in_use(np.array([16384]))
    (8, 12, 16)
    """
    return min(16, max(8, 2 * math.ceil(int(integers.max(initial=0)).bit_length() / 2)))


def _on_white(pixels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """H×W×(C+1) with alpha last → H×W×C before a white background."""
    colour, alpha = pixels[..., :-1], pixels[..., -1:]
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _within(values: Values, top: int, source: Path | bytes) -> Values:
    """The same values, all in 0..``top``. Raises CapasError ``picture_range`` on others and on NaN."""
    if not bool(((values >= 0) & (values <= top)).all()):
        raise CapasError("picture_range", where=_where(source), received=f"{values.min():g} … {values.max():g}")
    return values


def _decoding_error(source: Path | bytes, error: Exception) -> CapasError:
    if isinstance(error, OSError) and error.strerror:
        return CapasError("picture_unreadable", where=_where(source), received=error.strerror)
    cut = "truncated" in str(error).lower() or isinstance(error, EOFError)
    key = "picture_truncated" if cut else "picture_unreadable"
    return CapasError(key, where=_where(source), received=str(error) or type(error).__name__)


def _too_large(source: Path | bytes, pixels: int | None, max_pixels: int) -> CapasError:
    megapixels = "?" if pixels is None else f"{pixels / 1e6:.0f}"
    limit = f"{max_pixels / 1e6:g}"
    return CapasError("picture_too_large", where=_where(source), received=megapixels, limit=limit)


def _path(source: Path | bytes) -> Path | None:
    return source.path if isinstance(source, _FileBytes) else source if isinstance(source, Path) else None


def _where(source: Path | bytes) -> str:
    path = _path(source)
    return "" if path is None else str(path)


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """Return an image, uint8 H×W or H×W×3, as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


def write_image(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write uint8 H×W or H×W×3 as a PNG. Raises CapasError ``disk_full`` or ``cannot_write``."""
    content = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture).save(content, "PNG")
    write_atomic(path, content.getvalue())


def write_image_grid(path: Path, images: NDArray[np.uint8]) -> None:
    """Write images (N, H, W) or (N, H, W, 3) side by side, in a grid as square as can be, as a PNG.

    Raises:
        CapasError: ``disk_full`` or ``cannot_write``.
    """
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    height, width = images.shape[1:3]
    grid = np.zeros((rows * height, columns * width, *images.shape[3:]), np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * height, i % columns * width
        grid[top : top + height, left : left + width] = image
    write_image(path, grid)
