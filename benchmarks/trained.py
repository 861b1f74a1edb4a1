"""What benchmarks share that train through the command line, as a user would, on data that is not in the project."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def given(*parts: str) -> Path:
    """A file or folder below ``$CAPAS_DATA``. Exits with what is missing."""
    path = Path(os.environ.get("CAPAS_DATA", "")).joinpath(*parts)
    if "CAPAS_DATA" not in os.environ or not path.exists():
        sys.exit(f"Set CAPAS_DATA to the folder of real data; it must hold {'/'.join(parts)}.")
    return path


def train(data: Path | str, out: Path, settings: Sequence[str] = (), *options: str) -> dict[str, object]:
    """What ``capas train --json`` says, with everything that ``capas test --json`` has of the same run."""
    command = [sys.executable, "-m", "capas.cli.main", "train", str(data), "--json", "--out", str(out), *options]
    for setting in settings:
        command += ["--set", setting]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr + done.stdout)
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    return {**json.loads(done.stdout), "per_class": metrics["per_class"], "baseline": metrics["baseline"]}


def finished_run(arguments: Sequence[str], option: str) -> Path | None:
    """The run behind ``option``, the only one; None without arguments."""
    if arguments and (arguments[0] != option or len(arguments) != 2):
        sys.exit(f"{' '.join(arguments)}? Expected {option} RUN")
    return Path(arguments[1]).resolve() if arguments else None


def figure(run: dict[str, object], name: str) -> dict[str, object]:
    """A figure of the test."""
    metrics = run["metrics"]
    assert isinstance(metrics, dict)
    found: dict[str, object] = metrics[name]
    return found


def shown(found: object, digits: int = 1) -> str:
    """ "87.1 % (86.0–88.2)"; a measure in its unit."""
    assert isinstance(found, dict)
    scale, unit = (1, f" {found['unit']}".rstrip()) if "unit" in found else (100, " %")
    value = f"{scale * found['value']:.{digits}f}{unit}"
    if "interval" not in found:
        return value
    low, high = found["interval"]
    return f"{value} ({scale * low:.{digits}f}–{scale * high:.{digits}f})"
