"""JSON and TOML of others: whatever is wrong with a text, deep nesting too, is a ValueError."""

import json
import tomllib


def parse_json(content: str | bytes) -> object:
    """Return the value of a JSON text. Raises ValueError, also for a text that is nested too deeply to be parsed."""
    try:
        value: object = json.loads(content)
    except RecursionError as error:
        raise ValueError(str(error)) from error
    return value


def parse_toml(content: str) -> dict[str, object]:
    """Return the tables of a TOML text. Raises ValueError, also for a text that is nested too deeply to be parsed."""
    try:
        return tomllib.loads(content)
    except RecursionError as error:
        raise ValueError(str(error)) from error
