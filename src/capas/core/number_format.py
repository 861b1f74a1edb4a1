"""Formatting of numbers and metrics in the user's language.

A rate is ``{"value": 0.987, "n": 1000, "interval": [0.978, 0.992]}``; a measure has a ``unit`` besides ("" where it has
none), and may lack the interval where none is computed.
"""

from collections.abc import Mapping

from capas.core.i18n import has, language, say


def format_decimal(value: float, digits: int) -> str:
    """Return a number with the decimal sign of the language; what rounds to zero has no sign.

    >>> format_decimal(-0.0004, 3)
    '0.000'
    """
    text = f"{value:z,.{digits}f}"
    return text.translate(str.maketrans(",.", ".,")) if language() == "es" else text


def format_percent(value: float, digits: int = 1) -> str:
    """Return a share in percent: "98.5 %", "98,5 %"."""
    return format_decimal(100 * value, digits) + " %"


def format_quantity(value: float, unit: str = "") -> str:
    """Return a measure with about three significant digits, and its unit: "3.21 years"."""
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 3
    return f"{format_decimal(value, digits)} {unit}".rstrip()


def format_metric(metric: object, digits: int = 1) -> str:
    """Return a metric with its interval: "98.5 % (97.5–99.1)", "3.21 years (3.02–3.44)"; a bare number is a share.

    >>> format_metric({"value": 0.985, "n": 1000, "interval": [0.9754, 0.9909]})
    '98.5 % (97.5–99.1)'
    >>> format_metric({"value": 3.214, "n": 80, "interval": [3.02, 3.44], "unit": "mpg"})
    '3.21 mpg (3.02–3.44)'
    """
    if not isinstance(metric, Mapping):
        return format_percent(float(str(metric)), digits)
    value, interval = float(metric["value"]), metric.get("interval")
    unit = metric.get("unit")
    rendered = format_percent(value, digits) if unit is None else format_quantity(value, unit)
    if interval is None:
        return rendered
    ends = [format_decimal(100 * end, digits) if unit is None else format_quantity(end) for end in interval]
    return f"{rendered} ({ends[0]}–{ends[1]})"


def is_rate(metric: object) -> bool:
    """Return whether the metric is a share of cases, 0..1."""
    return not (isinstance(metric, Mapping) and "unit" in metric)


def metric_value(metric: object) -> float:
    """Return the value of a metric."""
    return float(metric["value"]) if isinstance(metric, Mapping) else float(str(metric))


def metric_name(name: str) -> str:
    """Return the display name of a metric; its key where there is none."""
    return say(f"figures.{name}") if has(f"figures.{name}") else name.replace("_", " ")


def baseline_name(name: str) -> str:
    """Return the display name of a baseline."""
    return say(f"baselines.{name}") if has(f"baselines.{name}") else name.replace("_", " ")
