"""How tests run Capas: here in this process, or as a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from capas.objectives.base import StepContext

FIXTURES = Path(__file__).parent / "fixtures"
# Tiny and without any measuring: the same on every machine.
FIXED: Mapping[str, object] = {
    "network.width": 8,
    "train.batch_size": 32,
    "execution.precision": "float32",
    "execution.memory_format": "contiguous",
    "execution.threads": 1,
    "trust.report": "none",
}


def as_options(settings: Mapping[str, object]) -> list[str]:
    """Settings as ``--set`` options."""
    return [part for key, value in settings.items() for part in ("--set", f"{key}={json.dumps(value)}")]


def train_here(data: str | Path, out: Path, settings: Mapping[str, object]) -> Path:
    """Train in this process; the run's folder."""
    import capas

    result = capas.train(data, out=out, settings=settings)
    assert result is not None
    return out


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        return json.loads(self.out)


def capas_here(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Answer:
    """The command line in this process: as a process of its own, without the seconds that loading torch takes."""
    from capas.cli.main import main

    capsys.readouterr()
    former, sys.argv = sys.argv, ["capas", *map(str, arguments)]
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = former
    said = capsys.readouterr()
    assert code is None or isinstance(code, int)
    return Answer(code=code or 0, out=said.out, err=said.err)


def command(*arguments: str | Path) -> list[str]:
    """The command line as a process of its own."""
    return [sys.executable, "-m", "capas.cli.main", *map(str, arguments)]


def capas_apart(
    *arguments: str | Path, env: Mapping[str, str] | None = None, stdin: str = "", before: Sequence[str] = ()
) -> Answer:
    """Run Capas as a process of its own to its end. ``before`` replaces the way it is started."""
    done = subprocess.run(
        [*before, *map(str, arguments)] if before else command(*arguments),
        env={**os.environ, **(env or {})}, input=stdin, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return Answer(code=done.returncode, out=done.stdout, err=done.stderr)


def step_context(rng: torch.Generator | None = None) -> StepContext:
    """The context of a first step, for asking an objective for its losses."""
    return StepContext(step=0, progress=0.0, rng=rng or torch.Generator())
