"""What scripts and people rely on, kept as text. To accept a change: CAPAS_UPDATE_SNAPSHOTS=1 pytest tests/cli"""

import os
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent / "snapshots"


def assert_snapshot(name: str, text: str) -> None:
    path = FOLDER / f"{name}.txt"
    if os.environ.get("CAPAS_UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    assert path.is_file(), f"no snapshot {path}; see tests/cli/snapshot.py"
    assert text + "\n" == path.read_text(encoding="utf-8"), f"{path} differs; see tests/cli/snapshot.py"


def shape_of(value: object, indent: str = "") -> str:
    """The keys of a JSON value, a line each, with the kind of what they hold; lists by their first entry."""
    if isinstance(value, Mapping):
        return "".join(f"\n{indent}{key}: {shape_of(inner, indent + '  ')}" for key, inner in value.items())
    if isinstance(value, list):
        return f"list of {shape_of(value[0], indent)}" if value else "list"
    return "null" if value is None else "number" if isinstance(value, int | float) and not isinstance(
        value, bool
    ) else type(value).__name__  # fmt: skip
