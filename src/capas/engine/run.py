"""A run: the folder of one training, and the paths of the files in it."""

import datetime
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from capas.core.errors import CapasError
from capas.core.files import LOCK, only_writer, read_regular, write_json
from capas.core.parsing import parse_json
from capas.version import __version__


def absolute_source(source: str) -> str:
    """Return an absolute path, valid when the run is resumed from another folder; ``sample:NAME`` stays as it is."""
    return source if source.startswith("sample:") else str(Path(source).expanduser().absolute())


LATEST = "latest"


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """The folder of a run and the paths in it."""

    folder: Path

    @property
    def config(self) -> Path:
        """``config.toml``: the complete configuration."""
        return self.folder / "config.toml"

    @property
    def decision(self) -> Path:
        """``decision.json``: detected task, evidence, alternatives, and what was chosen automatically, with reasons."""
        return self.folder / "decision.json"

    @property
    def data(self) -> Path:
        """``data.json``: name, hash, label and split of every example."""
        return self.folder / "data.json"

    @property
    def events(self) -> Path:
        """``events.jsonl``: the events of training, one per line."""
        return self.folder / "events.jsonl"

    @property
    def checkpoints(self) -> Path:
        """``checkpoints/``: what training is resumed from."""
        return self.folder / "checkpoints"

    @property
    def predictions(self) -> Path:
        """``predictions.csv``: the prediction for each test example."""
        return self.folder / "predictions.csv"

    @property
    def metrics(self) -> Path:
        """``metrics.json``: the metrics of the one evaluation on the test split."""
        return self.folder / "metrics.json"

    @property
    def bundle(self) -> Path:
        """``bundle/``: the trained model."""
        return self.folder / "bundle"

    @property
    def teacher(self) -> "Run":
        """The run of the teacher, for a student trained on pseudo-labels."""
        return Run(folder=self.folder / "teacher")

    @property
    def first_teacher(self) -> "Run":
        """The run of the first teacher, trained on labels alone; this run where it has no teacher."""
        return self.teacher.first_teacher if self.teacher.finished else self

    @property
    def unlabelled(self) -> Path:
        """``unlabelled.json``: how many unlabelled images were used, and why others were not."""
        return self.folder / "unlabelled.json"

    @property
    def generated(self) -> Path:
        """``generated/``: samples of a generator that are learnt from."""
        return self.folder / "generated"

    @property
    def generated_summary(self) -> Path:
        """``generated.json``: how many of them there are, and why others were left out."""
        return self.folder / "generated.json"

    @property
    def finished(self) -> bool:
        """Whether the run has test metrics and a bundle."""
        return self.metrics.is_file() and (self.bundle / "card.json").is_file()

    @property
    def environment(self) -> Path:
        """``env.json``: versions and machine."""
        return self.folder / "env.json"

    def read_json(self, path: Path) -> dict[str, object]:
        """Read one of the run's JSON files. Raises CapasError ``run_damaged`` that names the file."""
        try:
            value = parse_json(read_regular(path))
        except (OSError, ValueError) as error:
            raise CapasError("run_damaged", where=path, received=str(error)) from error
        if not isinstance(value, dict):
            raise CapasError("run_damaged", where=path, received=type(value).__name__)
        return value


def new_run(out: str | Path | None, source: str) -> Run:
    """Return a new, empty run in ``out``, by default in ``runs/DATE-TIME-NAME``. Raises CapasError ``run_exists`` where
    ``out`` is not empty.
    """
    if out is not None:
        folder = Path(out)
        if folder.is_dir() and (folder / LOCK).is_file():
            with only_writer(folder):  # says so when another trains in it
                clear_begun(folder)
        refuse_nonempty(folder)
        return Run(folder=folder)
    stem = re.sub(r"[^\w.-]+", "-", source.removeprefix("sample:").rstrip("/").rsplit("/", 1)[-1]).strip("-.")
    name = f"{datetime.datetime.now():%Y-%m-%d-%H%M}-{stem or 'run'}"
    for suffix in ["", *(f"-{i}" for i in range(2, 1000))]:
        folder = Path("runs") / (name + suffix)
        if not folder.exists():
            return Run(folder=folder)
    raise CapasError("run_exists", where=folder)


def clear_begun(folder: Path) -> None:
    """Delete what a run wrote that was killed before its configuration, which makes a folder a run.

    Nothing was learnt yet, and neither could it be resumed nor another be begun in its place. A folder that holds
    anything else is left as it is.
    """
    run = Run(folder=folder)
    places = [one for one in (run, run.teacher) if one.folder.is_dir()]
    written = {one.folder: {path.name for path in (one.data, one.decision, one.environment)} for one in places}
    found = [path for one in places for path in one.folder.iterdir() if path not in (folder / LOCK, run.teacher.folder)]
    known = all(
        path.is_file() and any(path.name == name or path.name.startswith(f".{name}.")
                               for name in (*written[path.parent], run.config.name))
        for path in found
    )  # fmt: skip
    if run.config.is_file() or not known:
        return
    for path in found:
        path.unlink()
    if run.teacher.folder.is_dir():
        run.teacher.folder.rmdir()


def remove_pieces(run: Run) -> None:
    """Delete what a killed process was writing in the folder of ``run``, which the caller holds. A piece of a model may
    be as large as the model.
    """
    files = (run.config, run.decision, run.data, run.environment, run.predictions, run.metrics, run.unlabelled,
             run.generated_summary)  # fmt: skip
    pieces = [piece for file in files for piece in run.folder.glob(f".{file.name}.????????")]
    for piece in (*pieces, *run.bundle.glob(".*.????????")):
        piece.unlink(missing_ok=True)


def refuse_nonempty(folder: Path) -> None:
    """Raise CapasError ``run_exists`` where ``folder`` exists and holds anything but a lock."""
    if folder.exists() and (not folder.is_dir() or any(path.name != LOCK for path in folder.iterdir())):
        raise CapasError("run_exists", where=folder)


def find_run(where: str | Path) -> Run:
    """Return the run at a path; "latest" is the newest in ``runs/``. Raises CapasError where there is none."""
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


def find_finished_run(where: str | Path) -> Run:
    """Find a run that has its model. Raises CapasError as ``find_run`` does, and ``run_unfinished``."""
    run = find_run(where)
    if not (run.bundle / "card.json").is_file():
        raise CapasError("run_unfinished", where=run.folder)
    return run


def read_metrics(run: Run) -> dict[str, object]:
    """Read the test metrics of ``run``. Raises CapasError ``run_unfinished`` or ``run_damaged``."""
    if not run.metrics.exists():
        raise CapasError("run_unfinished", where=run.folder)
    return run.read_json(run.metrics)


def write_environment(run: Run, command: str) -> None:
    """Write ``env.json``, what is needed to reproduce the run: versions, machine, command line."""
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
    """Return the model name of the processor, where the system reports it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    match = re.search(r"model name\s*:\s*(.+)", text)
    return match.group(1).strip() if match else platform.processor()
