"""The unit of a number, where its column's name says it ("weight (kg)", "distance_km") or every cell does ("12 kg")."""

import re
from collections.abc import Sequence
from typing import Final

from capas.data.naming import normalise_name

_BRACKETED: Final = re.compile(r"[\(\[]\s*([^\)\]]{1,15}?)\s*[\)\]]\s*$")
_KNOWN: Final = {
    "mm": "mm", "cm": "cm", "m": "m", "km": "km", "g": "g", "kg": "kg", "mg": "mg", "t": "t", "s": "s", "ms": "ms",
    "min": "min", "h": "h", "c": "°C", "celsius": "°C", "kelvin": "K", "deg": "°", "degrees": "°", "grados": "°",
    "years": "years", "anos": "años", "months": "months", "meses": "meses", "days": "days", "dias": "días",
    "eur": "€", "euros": "€", "usd": "$", "dollars": "$", "pct": "%", "percent": "%", "mpg": "mpg", "kmh": "km/h",
    "hz": "Hz", "khz": "kHz", "db": "dB", "px": "px", "v": "V", "a": "A", "w": "W", "kw": "kW", "kwh": "kWh",
    "pa": "Pa", "hpa": "hPa", "bar": "bar", "l": "l", "ml": "ml", "bpm": "bpm",
}  # fmt: skip


_MEASURE: Final = re.compile(
    r"([€$£]?)\s*([+-]?\d+(?:[.,]\d+)?)\s*([^\W\d_]{1,8}[²³]?|[%‰°€$£]|°[CFK]|[^\W\d_]+/[^\W\d_]+)?"
)


def parse_measures(cells: Sequence[str | None]) -> tuple[tuple[float | None, ...], str] | None:
    """Numbers that were written with their unit in every cell ("12 kg", "3,5 €", "$7"), and the unit; None where some
    cell is something else or the units differ. Without a blank between, the unit must be a known one of two letters or
    more: "3a" is a name.

    >>> measures_in(["12 kg", None, "7.5 kg"])
    ((12.0, None, 7.5), 'kg')
    >>> measures_in(["3a", "4a"]) is None
    True
    """
    found = [None if cell is None else _MEASURE.fullmatch(cell.strip()) for cell in cells]
    present = [(match, cell) for match, cell in zip(found, cells, strict=True) if cell is not None]
    units = {(match[1] or match[3] or "") if match else "" for match, _ in present}
    if not present or len(units) != 1 or "" in units:
        return None
    unit = units.pop()
    joined = any(match and match[3] and not re.search(r"\s", cell.strip()) for match, cell in present)
    if joined and unit.isalpha() and (len(unit) == 1 or normalise_name(unit) not in _KNOWN):
        return None
    return tuple(float(match[2].replace(",", ".")) if match else None for match in found), unit


def unit_from_name(column: str) -> str:
    """The unit that the column's name states, or "".

    >>> unit_in("weight (kg)"), unit_in("distance_km"), unit_in("mpg"), unit_in("name")
    ('kg', 'km', 'mpg', '')
    """
    bracketed = _BRACKETED.search(column)
    if bracketed:
        return bracketed.group(1)
    words = re.split(r"[_\s]+", normalise_name(column))
    if len(words) > 1 or len(words[0]) > 2:
        return _KNOWN.get(words[-1], "")
    return ""
