"""Crops of page images as JPEG, the region of a hit, and a cache of decoded pages."""

import io
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Final

from PIL import Image

from capas.archive.library.database import PageRow
from capas.archive.library.scans import decode_page
from capas.archive.search.search import SearchHit, WordMatch
from capas.page_formats.layout.line_images import Picture
from capas.page_formats.page import Points, bounding_box

KEPT_BYTES: Final = 400_000_000
AT_ONCE: Final = 2  # decoded at the same time
LARGE_PIXELS: Final = 60_000_000  # such a page, of hundreds of megabytes, is decoded alone
QUALITY: Final = 85
# A snippet, in heights of the line: what it shows beside the word, above and below it, and how wide it is at least.
BESIDE, AROUND, WIDEST_LEAST = 2.5, 0.35, 9.0
MARGIN: Final = 0.06

_Key = tuple[str, int, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Crop:
    """A region of a page in whole pixels."""

    left: int
    top: int
    width: int
    height: int


class PageImages:
    """A thread-safe least-recently-used cache of decoded pages, limited in bytes."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._held: OrderedDict[_Key, Future[Picture]] = OrderedDict()
        self._lock, self._queue, self._turns = Lock(), Lock(), BoundedSemaphore(AT_ONCE)

    def image(self, page: PageRow) -> Picture:
        """Return the image of a page.

        Raises CapasError ``page_unreadable``, ``page_replaced`` or ``page_too_large``.
        """
        key = (page.source, page.frame, page.hash)
        with self._lock:
            held = self._held.get(key)
            wanted = held or self._held.setdefault(key, Future())
            self._held.move_to_end(key)
        if held is None:
            self._decode(key, wanted, turns=AT_ONCE if page.width * page.height > LARGE_PIXELS else 1)
        return wanted.result()

    def jpeg(self, page: PageRow, crop: Crop, width: int, height: int) -> bytes:
        """Return a crop, clipped to the page, as a JPEG of ``width`` × ``height``.

        Raises:
            ValueError: Nothing is left of the crop.
            CapasError: As ``image``.
        """
        picture = self.image(page)
        part = picture[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
        if not part.size:
            raise ValueError(f"{crop} is off the page")
        image = Image.fromarray(part)
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=QUALITY)
        return stream.getvalue()

    @contextmanager
    def _taking(self, turns: int) -> Iterator[None]:
        with self._queue:  # who takes several waits for all of them before anybody else takes one
            for _ in range(turns):
                self._turns.acquire()
        try:
            yield
        finally:
            for _ in range(turns):
                self._turns.release()

    def _decode(self, key: _Key, wanted: "Future[Picture]", *, turns: int) -> None:
        """Decode a page for all who wait for it; one that cannot be decoded is tried again next time."""
        try:
            with self._taking(turns):
                wanted.set_result(decode_page(Path(key[0]), key[1], hash=key[2]))
        except BaseException as error:
            with self._lock:
                self._held.pop(key, None)
            wanted.set_exception(error)
            return
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        done = {key: one.result().nbytes for key, one in self._held.items() if one.done()}
        size = sum(done.values())
        for key, bytes_ in list(done.items())[:-1]:
            if size <= self._kept_bytes:
                break
            del self._held[key]
            size -= bytes_


def snippet_crop(page: PageRow, places: Sequence[WordMatch]) -> Crop:
    """Return the region of the page to show of a hit: its ``highlighted_words``, with some context."""
    boxes = [bounding_box(place.outline) for place in places]
    height = sorted(box.height for box in boxes)[len(boxes) // 2]
    left, right = min(box.left for box in boxes) - BESIDE * height, max(box.right for box in boxes) + BESIDE * height
    missing = max(0.0, WIDEST_LEAST * height - (right - left)) / 2
    first, last = _within(left - missing, right + missing, page.width)
    top, bottom = (min(box.top for box in boxes) - AROUND * height, max(box.bottom for box in boxes) + AROUND * height)
    upper, lower = _within(top, bottom, page.height)
    return Crop(left=first, top=upper, width=last - first, height=lower - upper)


def highlighted_words(found: SearchHit) -> tuple[WordMatch, ...]:
    """Return the words of the first one's line; of overlapping ones only the most probable."""
    kept = list[WordMatch]()
    for place in sorted(found.words, key=lambda place: -place.probability):
        if place.line == found.words[0].line and not any(_covers(one.outline, place.outline) for one in kept):
            kept.append(place)
    return tuple(sorted(kept, key=lambda place: place.outline[0]))


def widened_outline(outline: Points) -> Points:
    """Return an outline a little larger than the word, so that it does not cover the letters."""
    box = bounding_box(outline)
    by, x, y = MARGIN * box.height, (box.left + box.right) / 2, (box.top + box.bottom) / 2
    return tuple((px + (by if px > x else -by), py + (by if py > y else -by)) for px, py in outline)


def distinct_words(places: Sequence[WordMatch]) -> str:
    """Return the different words found, joined."""
    return ", ".join(dict.fromkeys(place.word for place in places))


def _covers(one: Points, other: Points) -> bool:
    a, b = bounding_box(one), bounding_box(other)
    return min(a.right, b.right) - max(a.left, b.left) > 0.5 * min(a.width, b.width)


def _within(first: float, last: float, size: int) -> tuple[int, int]:
    """The same stretch moved onto the page, cut where it is longer than that."""
    length = min(last - first, size)
    start = min(max(first, 0), size - length)
    return int(start), max(int(start) + 1, int(start + length))
