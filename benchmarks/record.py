"""Where a benchmark leaves what it measured: a Markdown table and JSON, with date, machine and command."""

import datetime
import json
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

import torch

from capas.core.device import physical_cores
from capas.core.files import write_atomic, write_json
from capas.engine.run import processor_name

RESULTS = Path(__file__).parent / "results"


def conditions(name: str) -> dict[str, object]:
    """When, on what and with what command this was measured."""
    return {
        "command": f"make bench {name}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": f"{processor_name()} × {physical_cores()} cores",
        "load_at_start": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [list(heads), ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Median and range: "94.6 (94.4–94.7)"."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def keep(name: str, title: str, text: str, facts: dict[str, object], measured: dict[str, object]) -> None:
    """Write ``results/NAME.md`` and ``results/NAME.json``, and print the former."""
    where = ", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in facts.items())
    page = f"# {title}\n\n{text}\n\n*{where}*\n"
    write_atomic(RESULTS / f"{name}.md", page)
    write_json(RESULTS / f"{name}.json", {**facts, "measured": measured})
    print(json.dumps(measured, indent=1)[:2000])
    print(page)
