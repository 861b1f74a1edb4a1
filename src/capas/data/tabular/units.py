"""Units of numeric columns, from the column's name ("weight (kg)", "distance_km") or from every cell ("12 kg")."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from capas.data.naming import normalise_name
from capas.data.tabular.number_notation import DecimalSign, decimal_sign, parse_body

_BRACKETED: Final = re.compile(r"[\(\[]\s*([^\)\]]{1,15}?)\s*[\)\]]\s*$")
_KNOWN: Final = {
    "mm": "mm", "cm": "cm", "m": "m", "km": "km", "g": "g", "kg": "kg", "mg": "mg", "t": "t", "s": "s", "ms": "ms",
    "min": "min", "h": "h", "c": "°C", "celsius": "°C", "kelvin": "K", "deg": "°", "degrees": "°", "grados": "°",
    "years": "years", "anos": "años", "months": "months", "meses": "meses", "days": "days", "dias": "días",
    "eur": "€", "euros": "€", "usd": "$", "dollars": "$", "pct": "%", "percent": "%", "mpg": "mpg", "kmh": "km/h",
    "hz": "Hz", "khz": "kHz", "db": "dB", "px": "px", "v": "V", "a": "A", "w": "W", "kw": "kW", "kwh": "kWh",
    "pa": "Pa", "hpa": "hPa", "bar": "bar", "l": "l", "ml": "ml", "bpm": "bpm",
}  # fmt: skip


_CURRENCIES: Final = (
    "EUR|USD|GBP|MXN|ARS|CLP|COP|PEN|BRL|JPY|CHF|CAD|AUD|CNY|INR|UYU|BOB|PYG|DOP|CRC|GTQ|VES|NZD|SEK|NOK|DKK|PLN"
)
_CELL: Final = re.compile(
    r"(?P<open>\()?\s*(?P<sign>[+\-−]?)\s*"
    rf"(?P<before>[A-Z]{{0,3}}[€$£¥₹₩₽]|(?:{_CURRENCIES})|S/\.?)?\s*(?P<sign2>[+\-−]?)"
    r"(?P<body>\d(?:[\d.,'’ \u00a0\u2009\u202f]*\d)?[.]?|[.,]\d+)(?P<exponent>[eE][+-]?\d+)?"
    r"(?P<gap>\s*)(?P<after>[^\W\d_]{1,8}[²³]?|[%‰°€$£¥₹₩₽]|°[CFK]|[^\W\d_]+/[^\W\d_]+)?\s*(?P<close>\))?"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenNumber:
    """A number as it is written.

    Attributes:
        sign: 1 or -1.
        body: Its digits and separators.
        exponent: "e3" and the like, or "".
        unit: Its unit or currency, or "".
    """

    sign: int
    body: str
    exponent: str
    unit: str

    def value(self, decimal: DecimalSign) -> float | None:
        """Return the number; None where its separators do not fit ``decimal``."""
        size = parse_body(self.body, decimal)
        return None if size is None else self.sign * float(f"{size!r}{self.exponent}" if self.exponent else size)


def parse_written_number(text: str) -> WrittenNumber | None:
    """Split a cell into sign, digits and unit; None where it is no number.

    Without a space between, a unit of letters must be a known one of two letters or more: "3a" is a name.

    >>> parse_written_number("-$1,200.50").value(".")
    -1200.5
    >>> parse_written_number("(1.200 €)").value(","), parse_written_number("3a")
    (-1200.0, None)
    """
    match = _CELL.fullmatch(text.strip())
    if match is None or bool(match["open"]) != bool(match["close"]) or (match["sign"] and match["sign2"]):
        return None
    before, after = match["before"] or "", match["after"] or ""
    if (before and after) or (after.isalpha() and not match["gap"] and not _may_be_joined(after)):
        return None
    negative = bool(match["open"]) or (match["sign"] or match["sign2"]) in ("-", "−")
    return WrittenNumber(
        sign=-1 if negative else 1, body=match["body"], exponent=match["exponent"] or "", unit=before or after
    )


def _may_be_joined(unit: str) -> bool:
    return (len(unit) > 1 and normalise_name(unit) in _KNOWN) or unit in _CURRENCIES.split("|")


def parse_measures(texts: Sequence[str]) -> tuple[list[float], str] | None:
    """Parse numbers that have their unit in every text ("12 kg", "3,5 €", "$7"); return them and the unit.

    None where some text is something else or the units differ. Where the texts do not tell whether "1,234" has
    decimals, it has.

    >>> parse_measures(["12 kg", "7.5 kg"])
    ([12.0, 7.5], 'kg')
    >>> parse_measures(["3a", "4a"]) is None
    True
    """
    written: list[WrittenNumber] = []
    for number in map(parse_written_number, texts):  # of most columns the first text tells that they are none
        if number is None or not number.unit or (written and number.unit != written[0].unit):
            return None
        written.append(number)
    if not written:
        return None
    told = decimal_sign([number.body for number in written])
    values = [number.value(told or ("," if "," in number.body else ".")) for number in written]
    numbers = [value for value in values if value is not None]
    return (numbers, written[0].unit) if len(numbers) == len(values) else None


def unit_from_name(column: str) -> str:
    """Return the unit that the column's name states, or "".

    >>> unit_from_name("weight (kg)"), unit_from_name("distance_km"), unit_from_name("mpg"), unit_from_name("name")
    ('kg', 'km', 'mpg', '')
    """
    bracketed = _BRACKETED.search(column)
    if bracketed:
        return bracketed.group(1)
    words = re.split(r"[_\s]+", normalise_name(column))
    if len(words) > 1 or len(words[0]) > 2:
        return _KNOWN.get(words[-1], "")
    return ""
