"""Text from strangers (names of files, classes and columns, lines of manuscripts) that does nothing where it is shown.

A control character moves a terminal's cursor, changes its title or hides what follows; a bidirectional override makes
"exe.jpg" of "gpj.exe"; half a surrogate pair cannot be encoded at all; a cell that begins with "=" is computed by
whoever opens the table in a spreadsheet (OWASP, "CSV Injection").
"""

import csv
import re
from collections.abc import Iterable
from io import StringIO
from typing import Final

# C0 and C1 but tab and line feed; DEL; the overrides, embeddings and isolates of bidirectional text; surrogates.
_ACTIVE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# What a spreadsheet computes. Numbers and telephone numbers may begin with + and - and are left alone.
_FORMULA: Final = re.compile(r"'*(?:\s*[=@]|\s*[+\-][^\n]*[A-Za-z(|!])")
_NUMBER: Final = re.compile(r"[+-]?[\d.,]+(?:[eE][+-]?\d+)?%?|[+-]?(?:inf|nan)", re.IGNORECASE)


def inert(text: str) -> str:
    r"""Return ``text`` with what acts written out.

    >>> inert("\x1b[31mred\n")
    '\\x1b[31mred\n'
    """
    return _ACTIVE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def inert_json(text: str) -> str:
    r"""Return a JSON text in which what acts stands as ``\u001b``, which is the same JSON."""
    return _ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def inert_cell(value: object) -> object:
    """Return a cell of a table that no spreadsheet computes: an apostrophe before what it would take for a formula.

    >>> inert_cell("=1+1"), inert_cell("-3.5"), inert_cell("+34 600 123 456")
    ("'=1+1", '-3.5', '+34 600 123 456')
    """
    if not isinstance(value, str):
        return value
    text = inert(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text.strip()) else text


def original_cell(text: str) -> str:
    """Return what ``inert_cell`` made ``text`` of, for tables that Capas reads again itself."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


class InertWriter:
    """Writes rows as CSV, each cell by ``inert_cell``.

    Args:
        stream: Text is written to it.
        delimiter: Between cells.
        lineterminator: Between rows.
    """

    def __init__(self, stream: StringIO, *, delimiter: str = ",", lineterminator: str = "\n") -> None:
        self._writer = csv.writer(stream, delimiter=delimiter, lineterminator=lineterminator)

    def writerow(self, row: Iterable[object]) -> None:
        """Write one row."""
        self._writer.writerow(map(inert_cell, row))

    def writerows(self, rows: Iterable[Iterable[object]]) -> None:
        """Write several rows."""
        for row in rows:
            self.writerow(row)
