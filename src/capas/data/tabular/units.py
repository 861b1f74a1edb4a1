"""Units of numeric columns, from the column's name ("weight (kg)", "distance_km") or from every cell ("12 kg")."""

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


def parse_measures(texts: Sequence[str]) -> tuple[list[float], str] | None:
    """Parse numbers that have their unit in every text ("12 kg", "3,5 €", "$7"); return them and the unit.

    None where some text is something else or the units differ. Without a space between, the unit must be a known one of
    two letters or more: "3a" is a name.

    >>> parse_measures(["12 kg", "7.5 kg"])
    ([12.0, 7.5], 'kg')
    >>> parse_measures(["3a", "4a"]) is None
    True
    """
    numbers: list[float] = []
    unit, any_joined = "", False
    for text in texts:
        match = _MEASURE.fullmatch(text.strip())
        own = (match[1] or match[3] or "") if match else ""
        if not match or not own or own != (unit or own):
            return None
        unit = own
        any_joined = any_joined or bool(match[3] and not re.search(r"\s", text.strip()))
        numbers.append(float(match[2].replace(",", ".")))
    if any_joined and unit.isalpha() and (len(unit) == 1 or normalise_name(unit) not in _KNOWN):
        return None
    return (numbers, unit) if numbers else None


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
