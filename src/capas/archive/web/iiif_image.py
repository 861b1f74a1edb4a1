"""Pages as IIIF Image API 3.0 has them (https://iiif.io/api/image/3.0/): any region in any smaller size, upright, JPEG.

That is level 0 with the features named in ``image_info.json``; tiles are cut when they are asked for.
"""

import re
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from capas.archive.library.database import PageRow
from capas.archive.search.snippets import Crop, PageImages
from capas.core.errors import CapasError
from capas.web_server.json_responses import json_response

CONTEXT: Final = "http://iiif.io/api/image/3/context.json"
KIND: Final = f'application/ld+json;profile="{CONTEXT}"'
LARGEST_SIDE: Final = 4096
TILE: Final = 1024
THUMBNAIL: Final = 256
FEATURES: Final = ("regionByPx", "regionByPct", "regionSquare", "sizeByW", "sizeByH", "sizeByWh", "sizeByConfinedWh",
                   "sizeByPct")  # fmt: skip
_PERCENT: Final = r"\d{1,9}(?:\.\d{1,9})?"
_FOUR: Final = re.compile(r"(pct:)?(N),(N),(N),(N)".replace("N", _PERCENT))
_SIZE: Final = re.compile(r"(!)?([1-9]\d{0,8})?,([1-9]\d{0,8})?")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRequest:
    """The path parameters ``region`` and ``size`` of an Image API request."""

    region: str
    size: str


def image_info(page: PageRow, address: str) -> Response:
    """Return the ``info.json`` of a page; ``address`` is the URL of its image service."""
    factors, side = [1], max(page.width, page.height)
    while THUMBNAIL * factors[-1] < side:
        factors.append(2 * factors[-1])
    # OpenSeadragon takes the sizes for those of the scale factors where they are as many.
    sizes = [(-(-page.width // factor), -(-page.height // factor)) for factor in reversed(factors[1:])]
    facts = {
        "@context": CONTEXT, "id": address, "type": "ImageService3", "protocol": "http://iiif.io/api/image",
        "profile": "level0", "width": page.width, "height": page.height, "maxWidth": LARGEST_SIDE,
        "maxHeight": LARGEST_SIDE, "extraFeatures": list(FEATURES),
        "sizes": [{"width": width, "height": height} for width, height in sizes],
        "tiles": [{"width": TILE, "height": TILE, "scaleFactors": factors}],
    }  # fmt: skip
    return json_response(facts, media_type=KIND)


def image_response(page: PageRow, part: ImageRequest, pictures: PageImages) -> Response:
    """Return a region of a page as a JPEG.

    Raises:
        CapasError: ``bad_request``, or that of a page whose image cannot be decoded.
    """
    crop = requested_region(part.region, page.width, page.height)
    width, height = requested_size(part.size, crop.width, crop.height)
    try:
        data = pictures.jpeg(page, crop, width, height)
    except ValueError as error:  # the file is another than the one that was added
        raise CapasError("bad_request", received=part.region) from error
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})


def requested_region(text: str, width: int, height: int) -> Crop:
    """Return a region of a page of ``width`` × ``height``, clipped to it.

    Raises:
        CapasError: ``bad_request`` where it is malformed or lies off the page.
    """
    side = min(width, height)
    if text == "full":
        return Crop(left=0, top=0, width=width, height=height)
    if text == "square":
        return Crop(left=(width - side) // 2, top=(height - side) // 2, width=side, height=side)
    found = _FOUR.fullmatch(text)
    if found is None or (not found[1] and "." in text):
        raise CapasError("bad_request", received=text)
    x, y, w, h = (float(one) for one in found.groups()[1:])
    if found[1]:
        x, y, w, h = x * width / 100, y * height / 100, w * width / 100, h * height / 100
    left, top = round(x), round(y)
    right, bottom = min(round(x + w), width), min(round(y + h), height)
    if left >= right or top >= bottom:
        raise CapasError("bad_request", received=text)
    return Crop(left=left, top=top, width=right - left, height=bottom - top)


def requested_size(text: str, width: int, height: int) -> tuple[int, int]:
    """Return the size to which a region of ``width`` × ``height`` is reduced.

    Raises:
        CapasError: ``bad_request`` where it is malformed, enlarges the region, or has a side above ``LARGEST_SIDE``.
    """
    if text == "max":
        return fitted_size(width, height, LARGEST_SIDE)
    if (percent := re.fullmatch(f"pct:({_PERCENT})", text)) is not None:
        wanted = (round(width * float(percent[1]) / 100), round(height * float(percent[1]) / 100))
    else:
        wanted = _given_size(text, width, height)
    if not (1 <= wanted[0] <= min(width, LARGEST_SIDE) and 1 <= wanted[1] <= min(height, LARGEST_SIDE)):
        raise CapasError("bad_request", received=text)
    return wanted


def fitted_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Return the largest size of these proportions with no side above ``side``."""
    by = min(1.0, side / max(width, height))
    return max(1, round(width * by)), max(1, round(height * by))


def _given_size(text: str, width: int, height: int) -> tuple[int, int]:
    found = _SIZE.fullmatch(text)
    if found is None or not (found[2] or found[3]) or (found[1] and not (found[2] and found[3])):
        raise CapasError("bad_request", received=text)
    w, h = int(found[2] or 0), int(found[3] or 0)
    if found[1]:
        by = min(w / width, h / height, 1.0)
        return max(1, round(width * by)), max(1, round(height * by))
    return w or max(1, round(width * h / height)), h or max(1, round(height * w / width))
