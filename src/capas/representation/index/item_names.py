"""Finding the rows of items by their names, or by patterns of names."""

import fnmatch
import json
import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from capas.representation.index.snapshot import IndexSnapshot

_NAME: Final = re.compile(rb'^\{"name": ("(?:[^"\\]|\\.)*")', re.MULTILINE)  # a line begins with its item's name


def rows_named(snapshot: IndexSnapshot, name: str) -> NDArray[np.int64]:
    """Return the rows that are there and whose items have this name, sorted."""
    written = json.dumps({"name": name}, ensure_ascii=False).encode("utf-8", "backslashreplace")[:-1] + b","
    return _rows_at(snapshot, [match.start() for match in re.finditer(re.escape(written), snapshot.lines)])


def rows_like(snapshot: IndexSnapshot, pattern: str) -> NDArray[np.int64]:
    """Return the rows that are there and whose names are ``pattern``, or match it: ``*`` and ``?`` stand for anything,
    ``[ab]`` for one of these.
    """
    exact = rows_named(snapshot, pattern)
    if len(exact) or not any(sign in pattern for sign in "*?["):
        return exact
    matches = re.compile(fnmatch.translate(pattern)).match
    places = [found.start() for found in _NAME.finditer(snapshot.lines) if matches(str(json.loads(found[1])))]
    return _rows_at(snapshot, places)


def _rows_at(snapshot: IndexSnapshot, places: list[int]) -> NDArray[np.int64]:
    """The rows that are there and whose lines begin at ``places``."""
    rows = np.searchsorted(snapshot.ends, np.array(places, np.uint64), side="right")
    rows = rows[snapshot.starts(rows) == places]
    alive: NDArray[np.int64] = rows[snapshot.alive[rows]]
    return alive
