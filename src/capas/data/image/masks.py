"""Segmentation masks: images whose pixels are class indices, and the names of those classes.

A mask is a palette or grey PNG (any lossless format will do) whose pixel values are class indices, or a colour image
whose colours stand for classes. The names are read from a file beside the masks, where there is one: ``classes.txt``
(one name a line, from index 0; or "index name"), ``classes.csv`` with the columns number (or r, g, b) and name. A class
called void, ignore, unlabelled, … does not count; nor does 255, unless it stands beside 0 alone: such masks show one
thing in white on black. Grey values between the two, as smoothing leaves them at the edges, count as the nearer one.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from capas.core.errors import CapasError
from capas.core.files import content_hash, open_regular, read_regular
from capas.data.collections import relative_path
from capas.data.naming import normalise_name
from capas.data.tabular.column_types import class_label
from capas.data.tabular.columns import Cell
from capas.data.tabular.io import decode_text, read_table

IGNORE_INDEX: Final = 255
MAX_CLASSES: Final = 200
_IGNORED_NAMES: Final = frozenset(
    {"void", "ignore", "ignored", "unlabelled", "unlabeled", "ignorar", "sin etiqueta", "vacio"}
)
_MAPS: Final = ("classes.txt", "labels.txt", "class_dict.csv", "classes.csv", "clases.txt", "clases.csv")
_NEAR: Final = 48  # of 255: what JPEG at usual quality adds to black or takes from white
_MAX_BETWEEN: Final = 0.05  # of the pixels of a mask: its edges
MAX_MAP_BYTES: Final = 1_000_000  # 256 names
_LOSSY: Final = frozenset({"JPEG", "MPO", "WEBP"})
_BLACK: Final = (0, 0, 0)
_WHITE: Final = (255, 255, 255)
_MIDDLE: Final = 128
# Of the values between black and white this share must lie on the slope of an edge, or they are classes.
_MIN_SLOPE_SHARE: Final = 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassMap:
    """What mask values mean.

    Attributes:
        names: Names by value.
        colours: For colour masks the value of every colour.
        binary: Whether the masks are black and white (0 and 255): a grey value counts as the nearer of the two.
        smoothed: Masks in which such grey values were found.
    """

    names: Mapping[int, str]
    colours: Mapping[tuple[int, int, int], int] = field(default_factory=dict)
    binary: bool = False
    smoothed: tuple[Path, ...] = ()

    @property
    def values(self) -> list[int]:
        """The values that count, in order."""
        return [
            v
            for v in sorted(self.names)
            if (self.binary or v != IGNORE_INDEX) and normalise_name(self.names[v]) not in _IGNORED_NAMES
        ]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of ``values``."""
        return tuple(self.names[v] for v in self.values)


class MaskFiles:
    """Mask files; ``decode`` gives class indices 0..K-1 in the order of ``class_map.classes``, and 255 for void."""

    def __init__(self, paths: Sequence[Path], root: Path, class_map: ClassMap) -> None:
        self.paths = tuple(paths)
        self.root = root
        self.class_map = class_map
        self._table = np.full(256, IGNORE_INDEX, dtype=np.uint8)
        for number, value in enumerate(class_map.values):
            self._table[value] = number

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        return relative_path(self.paths[index], self.root)

    def content_hash(self, index: int) -> str:
        return content_hash(read_regular(self.paths[index]))

    def decode(self, index: int) -> NDArray[np.uint8]:
        """Return the mask, uint8 (H, W). Raises CapasError ``mask_unreadable`` or ``mask_lossy``."""
        return self._table[read_mask_values(self.paths[index], self.class_map)]


def read_mask_values(path: Path, class_map: ClassMap) -> NDArray[np.uint8]:
    """Return the values of a mask, uint8 (H, W): of binary masks 0 and 255; unknown colours become 255.

    Raises:
        CapasError: ``mask_unreadable`` or ``mask_lossy``.
    """
    if not class_map.binary:
        return _read_values(path, class_map.colours)
    values = _read_values(path, None, lossy=True)
    # A mask of the classes' numbers 0 and 1, as Capas writes it, means the same.
    return np.where(values >= (1 if values.max(initial=0) <= 1 else _MIDDLE), 255, 0).astype(np.uint8)


def _read_values(
    path: Path, colours: Mapping[tuple[int, int, int], int] | None, *, lossy: bool = False
) -> NDArray[np.uint8]:
    """The values of a mask; of a colour mask those in ``colours``, or its brightness where that is None."""
    with _opened(path, lossy=lossy) as image:
        if image.mode in ("RGB", "RGBA"):
            if colours is None:
                return np.array(image.convert("RGB").convert("L"), dtype=np.uint8)
            return _by_colour(np.asarray(image.convert("RGB")), colours)
        if image.mode == "1":
            return np.asarray(image).astype(np.uint8)
        if image.mode not in ("L", "P"):
            raise CapasError("mask_unreadable", where=path, received=image.mode)
        return np.array(image, dtype=np.uint8)


@contextmanager
def _opened(path: Path, *, lossy: bool = False) -> Iterator[Image.Image]:
    """The image; what fails while it is open is a CapasError. ``lossy``: JPEG is no failure."""
    try:
        with open_regular(path) as stream, Image.open(stream) as image:
            if image.format in _LOSSY and not lossy:
                raise CapasError("mask_lossy", where=path, received=image.format)
            yield image
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise CapasError("mask_unreadable", where=path, received=str(error)) from error


def _by_colour(pixels: NDArray[np.uint8], colours: Mapping[tuple[int, int, int], int]) -> NDArray[np.uint8]:
    codes = pixels.astype(np.int64) @ np.array([65536, 256, 1])
    values = np.full(codes.shape, IGNORE_INDEX, dtype=np.uint8)
    for (r, g, b), value in colours.items():
        values[codes == 65536 * r + 256 * g + b] = value
    return values


def find_class_map(folder: Path, paths: Sequence[Path]) -> Path | None:
    """Return the class map file in ``folder`` or beside the first mask; None where there is none."""
    places = [folder, *(path.parent for path in paths[:1])]
    return next((place / name for place in places for name in _MAPS if (place / name).is_file()), None)


def read_class_map(file: Path | None, paths: Sequence[Path]) -> ClassMap:
    """Return what the masks' values mean: as ``file`` says, else from the values themselves.

    Raises:
        CapasError: ``class_map_broken``, ``mask_lossy``, ``mask_many_values``, or ``mask_unreadable`` where no mask can
            be read.
    """
    if file is None:
        return _from_values(paths)
    named = _read_map(file)
    if named.colours or len(named.names) > 2:
        return named
    held = _held_values(paths)
    if held.colours or not held.is_binary():
        return named
    dark, bright = ("0", *(named.names[value] for value in sorted(named.names)))[-2:]
    return ClassMap(names={0: dark, 255: bright}, binary=True, smoothed=held.smoothed)


@dataclass(kw_only=True, slots=True)
class _HeldValues:
    """The values and colours of masks, and the masks with grey edges between black and white."""

    values: set[int]
    colours: set[tuple[int, int, int]]
    smoothed: tuple[Path, ...]

    def is_binary(self) -> bool:
        """Whether the masks are black and white, apart from grey edges."""
        return self.values == {0, 255}


def _held_values(paths: Sequence[Path]) -> _HeldValues:
    """What occurs in up to 200 masks, spread evenly over all; those that are broken show later, each by itself.

    Raises:
        CapasError: ``mask_lossy``, ``mask_many_values``, or ``mask_unreadable`` where no mask can be read.
    """
    values, seen, failed = set[int](), set[tuple[int, int, int]](), list[CapasError]()
    sample = paths[:: max(1, len(paths) // 200)]
    if lossy := _black_and_white_lossy(sample):
        return _HeldValues(values={0, 255}, colours=set(), smoothed=lossy)
    too_many: Path | None = None
    for path in sample:
        try:
            with _opened(path) as image:
                coloured = image.mode in ("RGB", "RGBA")
                found = image.convert("RGB").getcolors(maxcolors=MAX_CLASSES) if coloured else []
            too_many = path if found is None else too_many
            seen |= {(c[0], c[1], c[2]) for _, c in found or () if isinstance(c, tuple)}
            values |= set() if coloured else set(np.unique(_read_values(path, {})).tolist())
        except CapasError as error:
            if error.key != "mask_unreadable":
                raise
            failed.append(error)
    if failed and not values and not seen and too_many is None:
        raise failed[0]
    if seen <= {_BLACK, _WHITE} and values <= {0, 255} and too_many is None and len({v[0] for v in seen} | values) > 1:
        return _HeldValues(values={0, 255}, colours=seen, smoothed=())
    grey = all(red == green == blue for red, green, blue in seen)
    if (smoothed := _smoothed(sample, values | {colour[0] for colour in seen}) if grey else ()) and smoothed:
        return _HeldValues(values={0, 255}, colours=set(), smoothed=smoothed)
    if too_many is not None:
        raise CapasError("mask_many_values", where=too_many, received=f"> {MAX_CLASSES}", most=MAX_CLASSES)
    return _HeldValues(values=values, colours=seen, smoothed=())


def _black_and_white_lossy(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The masks that were saved as JPEG, if all of them are black and white but for what its compression adds; () else.

    Of more classes the values between them could be any class; of two each counts as the nearer one.
    """
    found, dark, bright = list[Path](), False, False
    for path in paths:
        try:
            with _opened(path, lossy=True) as image:
                lossy, pixels = image.format in _LOSSY, np.asarray(image.convert("RGB"))
        except CapasError:
            continue
        if not lossy or min(pixels.shape[:2]) < 16:  # smaller ones are all edges
            return ()
        grey = pixels.mean(2)
        low, high = grey < _NEAR, grey > 255 - _NEAR
        if (np.ptp(pixels, axis=2) > _NEAR).mean() > _MAX_BETWEEN or 1 - (low | high).mean() > _MAX_BETWEEN:
            return ()
        # What compression adds is never even; an even area of a grey near black is a class with a low number.
        windows = np.lib.stride_tricks.sliding_window_view(grey, (3, 3))
        even = (np.ptp(windows, axis=(2, 3)) <= 1) & (windows[..., 1, 1] > 0.5) & (windows[..., 1, 1] < 254.5)
        if even.mean() > _MAX_BETWEEN:
            return ()
        dark, bright = dark or bool(low.any()), bright or bool(high.any())
        found.append(path)
    return tuple(found) if dark and bright else ()


def _smoothed(paths: Sequence[Path], values: Collection[int]) -> tuple[Path, ...]:
    """The masks with grey values between black and white, if these are slopes of edges; () where they are classes.

    The pixels of a class touch their like; on a slope every pixel has a darker and a brighter one beside it.
    """
    between = [value for value in values if 0 < value < 255]
    spread = sum(32 <= value < 224 for value in between)
    if not between or 2 * spread < len(between):
        return ()
    smoothed, any_black, any_white, total, slopes = list[Path](), False, False, 0, 0
    for path in paths:
        try:
            pixels = _read_values(path, None)
        except CapasError:
            continue
        grey = (pixels > 0) & (pixels < 255)
        any_black, any_white = any_black or bool((pixels == 0).any()), any_white or bool((pixels == 255).any())
        if not grey.any():
            continue
        if 2 * int(grey.sum()) >= grey.size:
            return ()
        smoothed.append(path)
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(pixels, 1, mode="edge"), (3, 3))[grey]
        total += int(grey.sum())
        slopes += int(((windows.min((1, 2)) < pixels[grey]) & (pixels[grey] < windows.max((1, 2)))).sum())
    return tuple(smoothed) if any_black and any_white and slopes >= _MIN_SLOPE_SHARE * total else ()


def _from_values(paths: Sequence[Path]) -> ClassMap:
    """The values, or the colours, that occur."""
    held = _held_values(paths)
    if held.is_binary():
        names = {0: "#000000", 255: "#ffffff"} if held.colours else {0: "0", 255: "255"}
        return ClassMap(names=names, binary=True, smoothed=held.smoothed)
    if len(held.colours) > MAX_CLASSES:
        raise CapasError("mask_many_values", where=paths[0], received=len(held.colours), most=MAX_CLASSES)
    if held.colours:
        ordered = sorted(held.colours)
        colours = {colour: number for number, colour in enumerate(ordered)}
        return ClassMap(names={n: "#{:02x}{:02x}{:02x}".format(*c) for n, c in enumerate(ordered)}, colours=colours)
    return ClassMap(names={value: str(value) for value in sorted(held.values - {IGNORE_INDEX})})


def _read_map(path: Path) -> ClassMap:
    if path.suffix == ".csv":
        return _table_map(path)
    names: dict[int, str] = {}
    try:
        text = decode_text(path, read_regular(path, max_bytes=MAX_MAP_BYTES))
    except OSError as error:
        raise CapasError("class_map_broken", where=path, received=error.strerror or str(error)) from error
    for number, line in enumerate(filter(None, map(str.strip, text.splitlines()))):
        numbered = re.fullmatch(r"(\d+)[\s:,;=]+(.+)", line)
        value, name = (int(numbered[1][:4]), numbered[2].strip()) if numbered else (number, line)
        if not 0 <= value <= 255 or value in names:
            raise CapasError("class_map_broken", where=path, received=line)
        names[value] = name
    return ClassMap(names=names)


def _table_map(path: Path) -> ClassMap:
    columns = {normalise_name(name): cells for name, cells in read_table(path).columns.items()}
    names = next((columns[key] for key in ("name", "nombre", "class", "clase", "label") if key in columns), None)
    if names is None:
        raise CapasError("class_map_broken", where=path, received=", ".join(columns))
    if {"r", "g", "b"} <= set(columns):
        rows = list(zip(columns["r"], columns["g"], columns["b"], strict=True))
        colours = {(_byte(path, r), _byte(path, g), _byte(path, b)): i for i, (r, g, b) in enumerate(rows)}
        if len(colours) < len(names) or len(names) > MAX_CLASSES:
            raise CapasError("class_map_broken", where=path, received=f"{len(colours)} / {len(names)}")
        return ClassMap(names={i: str(name) for i, name in enumerate(names)}, colours=colours)
    numbers = next((columns[key] for key in ("number", "numero", "id", "value", "valor") if key in columns), None)
    values = range(len(names)) if numbers is None else [_byte(path, value) for value in numbers]
    if len(set(values)) < len(names) or len(names) > IGNORE_INDEX + 1:
        raise CapasError("class_map_broken", where=path, received=", ".join(map(str, values))[:80])
    return ClassMap(names={value: str(name) for value, name in zip(values, names, strict=True)})


def _byte(path: Path, cell: Cell) -> int:
    """A cell as a whole number 0..255. Raises CapasError ``class_map_broken``."""
    text = class_label(cell) or "–"
    if not text.isdecimal() or int(text) > 255:
        raise CapasError("class_map_broken", where=path, received=text)
    return int(text)
