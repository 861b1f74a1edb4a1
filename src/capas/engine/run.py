"""A run: the folder that holds everything about one training, and where each thing lies in it."""

import datetime
import json
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from capas.core.errors import CapasError
from capas.core.files import LOCK, only_writer, write_json
from capas.version import __version__


def absolute_source(source: str) -> str:
    """A path that still holds when the run is resumed from another folder; samples as they are."""
    return source if source.startswith("sample:") else str(Path(source).expanduser().absolute())


LATEST = "latest"


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """The folder of a run and the names in it."""

    folder: Path

    @property
    def config(self) -> Path:
        """Every value that decided the run, none hidden."""
        return self.folder / "config.toml"

    @property
    def decision(self) -> Path:
        """Detected task, evidence, alternatives; what was chosen automatically, and why."""
        return self.folder / "decision.json"

    @property
    def data(self) -> Path:
        """Name, hash, class and split of every example."""
        return self.folder / "data.json"

    @property
    def events(self) -> Path:
        """What happened, a line each."""
        return self.folder / "events.jsonl"

    @property
    def checkpoints(self) -> Path:
        """From which the run can go on."""
        return self.folder / "checkpoints"

    @property
    def predictions(self) -> Path:
        """What was predicted for each test example."""
        return self.folder / "predictions.csv"

    @property
    def metrics(self) -> Path:
        """The figures of the one reading of the test split."""
        return self.folder / "metrics.json"

    @property
    def bundle(self) -> Path:
        """The finished model."""
        return self.folder / "bundle"

    @property
    def teacher(self) -> "Run":
        """The run of the teacher, where a student learnt from one."""
        return Run(folder=self.folder / "teacher")

    @property
    def first_teacher(self) -> "Run":
        """The run of the first teacher, who learnt from labels alone; this one where it had none."""
        return self.teacher.first_teacher if self.teacher.finished else self

    @property
    def unlabelled(self) -> Path:
        """What became of the unlabelled pictures, where there were some."""
        return self.folder / "unlabelled.json"

    @property
    def finished(self) -> bool:
        """Whether it was tested and has a model."""
        return self.metrics.is_file() and (self.bundle / "card.json").is_file()

    @property
    def environment(self) -> Path:
        """Versions and machine."""
        return self.folder / "env.json"

    def read_json(self, path: Path) -> dict[str, object]:
        """One of the run's JSON files. Raises CapasError ``run_damaged`` that names the file."""
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CapasError("run_damaged", where=path, received=str(error)) from error
        if not isinstance(value, dict):
            raise CapasError("run_damaged", where=path, received=type(value).__name__)
        return value


def new_run(out: str | Path | None, source: str) -> Run:
    """A new, empty run folder: ``out``, or ``runs/DATE-TIME-NAME``. Raises CapasError when ``out`` holds something."""
    if out is not None:
        folder = Path(out)
        if folder.is_dir() and (folder / LOCK).is_file():
            with only_writer(folder):  # says so when another trains in it
                pass
        refuse_nonempty(folder)
        return Run(folder=folder)
    stem = re.sub(r"[^\w.-]+", "-", source.removeprefix("sample:").rstrip("/").rsplit("/", 1)[-1]).strip("-.")
    name = f"{datetime.datetime.now():%Y-%m-%d-%H%M}-{stem or 'run'}"
    for suffix in ["", *(f"-{i}" for i in range(2, 1000))]:
        folder = Path("runs") / (name + suffix)
        if not folder.exists():
            return Run(folder=folder)
    raise CapasError("run_exists", where=folder)


def refuse_nonempty(folder: Path) -> None:
    """Raises CapasError ``run_exists`` when there is something at ``folder``, were it not for a lock."""
    if folder.exists() and (not folder.is_dir() or any(path.name != LOCK for path in folder.iterdir())):
        raise CapasError("run_exists", where=folder)


def find_run(where: str | Path) -> Run:
    """The run at this path; "latest" is the newest in ``runs/``. Raises CapasError when it is none."""
    folder = Path(where)
    if str(where) == LATEST and not folder.exists():
        runs = sorted(Path("runs").glob("*/config.toml"), key=lambda path: path.stat().st_mtime)
        if not runs:
            raise CapasError("no_runs", where=Path("runs").absolute())
        folder = runs[-1].parent
    run = Run(folder=folder)
    if not folder.is_dir():
        raise CapasError("no_such_run", where=folder)
    if not run.config.is_file():
        raise CapasError("not_a_run", where=folder)
    return run


def read_metrics(run: Run) -> dict[str, object]:
    """The figures of the one reading of the test split. Raises CapasError ``run_unfinished`` or ``run_damaged``."""
    if not run.metrics.exists():
        raise CapasError("run_unfinished", where=run.folder)
    return run.read_json(run.metrics)


def write_environment(run: Run, command: str) -> None:
    """What someone else needs to know to do the same again."""
    write_json(
        run.environment,
        {
            "capas": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "processor": processor_name(),
            "cores": os.cpu_count(),
            "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "command": command,
        },
    )


def processor_name() -> str:
    """The processor's own name for itself, where the system tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    match = re.search(r"model name\s*:\s*(.+)", text)
    return match.group(1).strip() if match else platform.processor()
