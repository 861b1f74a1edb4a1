"""JSON and TOML of others: whatever is wrong with a text, deep nesting too, is a ValueError."""

import json
import tomllib


def parse_json(content: str | bytes, *, finite: bool = False) -> object:
    """Return the value of a JSON text.

    Args:
        content: The text.
        finite: Whether NaN and Infinity, which Python's parser takes though JSON has none, are wrong.

    Raises:
        ValueError: It is no JSON, or is nested too deeply to be parsed.
    """
    try:
        value: object = json.loads(content, parse_constant=_refuse_constant if finite else None)
    except RecursionError as error:
        raise ValueError(str(error)) from error
    return value


def parse_toml(content: str) -> dict[str, object]:
    """Return the tables of a TOML text. Raises ValueError, also for a text that is nested too deeply to be parsed."""
    try:
        return tomllib.loads(content)
    except RecursionError as error:
        raise ValueError(str(error)) from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")
