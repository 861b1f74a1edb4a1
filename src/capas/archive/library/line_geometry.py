"""The place of a line on its page as the database holds it: JSON of baseline and outline, in tenths of a pixel.

Equal places are equal texts, so that reviews of one line are found by its place.
"""

import functools
import json
import sqlite3
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from capas.page_formats.page import Line, Points

_GEOMETRY: Final = TypeAdapter(dict[Literal["baseline", "polygon"], Points])


def line_geometry(line: Line) -> str:
    """Return the place of a line as text."""
    return json.dumps({"baseline": _rounded(line.baseline), "polygon": _rounded(line.polygon)}, separators=(",", ":"))


@functools.lru_cache(maxsize=10_000)
def line_at(geometry: str) -> Line:
    """Return a line of which only the place is known; searches look at the same pages again and again.

    Raises:
        sqlite3.DatabaseError: The text is no place.
    """
    try:
        held = _GEOMETRY.validate_json(geometry)
        return Line(id="", baseline=held["baseline"], polygon=held["polygon"])
    except (ValidationError, KeyError) as error:
        raise sqlite3.DatabaseError(f"the place of a line: {geometry[:80]}") from error


def _rounded(points: Points) -> list[list[float]]:
    return [[round(x, 1), round(y, 1)] for x, y in points]
