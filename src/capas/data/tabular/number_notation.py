"""How people write numbers: 1,234.56 or 1.234,56 or 1 234,56 or 1'234.56, and times of day.

"1,234" alone may be either: the other numbers of the column decide, then those of the table. What follows a sign that
stands in for a missing value is in ``MISSING_SIGNS``.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal

from capas.data.tabular.columns import MAX_WHOLE

DecimalSign = Literal[",", "."]
MISSING_SIGNS: Final = frozenset({
    "", "na", "n/a", "n.a.", "n.a", "nan", "-nan", "<na>", "null", "none", "?", "??", "-", "--", "---", "–", "—", ".",
    "..", "...", "…", "*", "#n/a", "#na", "#div/0!", "#value!", "#ref!", "#num!", "nd", "n/d", "n.d.", "s/d", "s.d.",
    "missing", "unknown", "desconocido", "sin dato", "sin datos",
})  # fmt: skip
_GROUPED_BY_SPACE: Final = re.compile(r"\d{1,3}(?:[ '’\u00a0\u2009\u202f]\d{3})+(?=[.,]|$)")
_CLOCK: Final = re.compile(
    r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:[.,]\d+)?)?\s*(?:([ap])\.?\s?m\.?)?", re.IGNORECASE
)


def is_missing_sign(text: str) -> bool:
    """Return whether a cell among numbers says that there is none.

    >>> is_missing_sign("?"), is_missing_sign("N/A"), is_missing_sign("x")
    (True, True, False)
    """
    return text.strip().casefold() in MISSING_SIGNS


def parse_clock(text: str) -> float | None:
    """Parse a time of day to hours.

    >>> parse_clock("7:30"), parse_clock("07:30:36"), parse_clock("7:30 p.m."), parse_clock("25:00")
    (7.5, 7.51, 19.5, None)
    """
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        return None
    hour, half = int(match[1]), (match[4] or "").casefold()
    if half and not 1 <= hour <= 12:
        return None
    hour = hour % 12 + (12 if half == "p" else 0) if half else hour
    return hour + int(match[2]) / 60 + int(match[3] or 0) / 3600


def decimal_sign(bodies: Sequence[str]) -> DecimalSign | None:
    """Return what these numbers, taken together, have before their decimals; None where none of them tells.

    >>> decimal_sign(["1,234", "12,5"]), decimal_sign(["1.234", "1.234.567"]), decimal_sign(["1,234"])
    (',', ',', None)
    """
    votes = [sign for body in bodies if (sign := _told_by(_without_spaces(body))) is not None]
    return None if not votes else "," if 2 * votes.count(",") > len(votes) else "."


def parse_body(body: str, decimal: DecimalSign) -> float | None:
    """Parse digits with separators; None where they do not fit ``decimal``, and for codes such as 007.

    >>> parse_body("1.234,5", ","), parse_body("1,234", "."), parse_body("12,34", "."), parse_body("007", ".")
    (1234.5, 1234.0, None, None)
    """
    plain = _without_spaces(body)
    group, point = re.escape("." if decimal == "," else ","), re.escape(decimal)
    whole = rf"(?:[1-9]\d{{0,2}}(?:{group}\d{{3}})+|0|[1-9]\d*)"
    if not re.fullmatch(rf"{whole}(?:{point}\d*)?|{point}\d+", plain, re.ASCII):
        return None
    value = float(plain.replace("." if decimal == "," else ",", "").replace(decimal, "."))
    return value if value < MAX_WHOLE else None


def _without_spaces(body: str) -> str:
    match = _GROUPED_BY_SPACE.match(body)
    return body if match is None else re.sub(r"\D", "", match[0]) + body[match.end() :]


def _told_by(body: str) -> DecimalSign | None:
    """The decimal sign that one number needs to be a number; None where it leaves a choice."""
    dots, commas = body.count("."), body.count(",")
    if dots and commas:
        return "," if body.rfind(",") > body.rfind(".") else "."
    if dots > 1 or commas > 1:
        return "," if dots else "."
    if not dots and not commas:
        return None
    sign: DecimalSign = "." if dots else ","
    before, _, after = body.partition(sign)
    could_be_thousands = len(after) == 3 and 1 <= len(before) <= 3 and not before.startswith("0")
    return None if could_be_thousands else sign
