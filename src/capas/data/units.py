"""The unit of a number, where the name of its column says it: "weight (kg)", "length [mm]", "distance_km"."""

import re
from typing import Final

from capas.data.folders import plain

_BRACKETED: Final = re.compile(r"[\(\[]\s*([^\)\]]{1,15}?)\s*[\)\]]\s*$")
_KNOWN: Final = {
    "mm": "mm", "cm": "cm", "m": "m", "km": "km", "g": "g", "kg": "kg", "mg": "mg", "t": "t", "s": "s", "ms": "ms",
    "min": "min", "h": "h", "c": "°C", "celsius": "°C", "kelvin": "K", "deg": "°", "degrees": "°", "grados": "°",
    "years": "years", "anos": "años", "months": "months", "meses": "meses", "days": "days", "dias": "días",
    "eur": "€", "euros": "€", "usd": "$", "dollars": "$", "pct": "%", "percent": "%", "mpg": "mpg", "kmh": "km/h",
    "hz": "Hz", "khz": "kHz", "db": "dB", "px": "px", "v": "V", "a": "A", "w": "W", "kw": "kW", "kwh": "kWh",
    "pa": "Pa", "hpa": "hPa", "bar": "bar", "l": "l", "ml": "ml", "bpm": "bpm",
}  # fmt: skip


def unit_in(column: str) -> str:
    """The unit that the column's name states, or "".

    >>> unit_in("weight (kg)"), unit_in("distance_km"), unit_in("mpg"), unit_in("name")
    ('kg', 'km', 'mpg', '')
    """
    bracketed = _BRACKETED.search(column)
    if bracketed:
        return bracketed.group(1)
    words = re.split(r"[_\s]+", plain(column))
    if len(words) > 1 or len(words[0]) > 2:
        return _KNOWN.get(words[-1], "")
    return ""
