"""The verbs as functions. Each takes what its command takes and gives back values instead of printing them."""

from collections.abc import Mapping
from pathlib import Path

from capas.data.inspect.report import DatasetReport
from capas.engine.config import read_config
from capas.engine.evaluate import evaluate_on
from capas.engine.plan import Plan, config_for_data, look_at, make_plan
from capas.engine.predict import Model
from capas.engine.run import find_run, read_metrics
from capas.engine.train import TrainingCallbacks, TrainingResult
from capas.engine.train import resume as resume_run
from capas.engine.train import train as train_run
from capas.leaderboard.filing import file_run_if_possible
from capas.trust.ood.selective_prediction import load_with_ood_gate
from capas.trust.report import TrustReport, make_report
from capas.trust.theme_context import Level

Settings = Mapping[str, object]


def look(data: str | Path, *, settings: Settings | None = None) -> DatasetReport:
    """What ``data`` holds, what would be learnt from it, and what is wrong with it.

    ``settings`` are keys of the configuration, ``{"data.target": "species"}``. Raises CapasError.

    >>> look("sample:shapes").per_class("test")
    {'circle': 40, 'square': 40, 'triangle': 40}
    """
    return look_at(config_for_data(str(data), settings or {}))


def plan(data: str | Path, *, settings: Settings | None = None) -> Plan:
    """The complete configuration that ``train`` would use, and why; runs nothing. Raises CapasError.

    >>> plan("sample:shapes").config.network.name
    'compact'
    """
    return make_plan(config_for_data(str(data), settings or {}))


def train(
    data: str | Path,
    *,
    network: str | None = None,
    time_s: float | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    report: str | None = None,
    settings: Settings | None = None,
    watch: TrainingCallbacks | None = None,
) -> TrainingResult | None:
    """Train on ``data`` (a folder, a table, ``sample:NAME`` or a plan file), test once, write run, bundle and report.

    ``time_s`` are seconds of training instead of epochs; ``report`` is how deep the trust report goes: "none", "quick",
    "standard" (the default) or "deep". None is returned when the user pressed Ctrl-C; ``resume`` then goes on. Raises
    CapasError.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "run"
    >>> result = train("sample:shapes", out=folder, report="none", settings={"train.epochs": 1, "network.width": 8})
    >>> sorted(path.name for path in folder.iterdir() if path.is_dir())
    ['bundle', 'checkpoints']
    >>> load(folder).classes
    ['circle', 'square', 'triangle']
    """
    named = {"network.name": network, "train.time_s": time_s, "train.seed": seed, "trust.report": report}
    changes = {key: value for key, value in named.items() if value is not None} | dict(settings or {})
    return _reported(train_run(config_for_data(str(data), changes), out=out, watch=watch))


def resume(run: str | Path, *, watch: TrainingCallbacks | None = None) -> TrainingResult | None:
    """Go on with a run that was stopped or killed, exactly where it was, then as ``train``. Raises CapasError."""
    return _reported(resume_run(run, watch=watch))


def trust(run: str | Path, *, level: Level = "standard") -> TrustReport:
    """Make the trust report of a finished run: nine questions, a page and the same as JSON. Raises CapasError."""
    return make_report(str(run), level)


def _reported(result: TrainingResult | None) -> TrainingResult | None:
    if result is not None:
        file_run_if_possible(result.run)
    if result is not None and (level := read_config(result.run.config).trust.report) != "none":
        make_report(str(result.run.folder), level)
    return result


def test(run: str | Path, *, data: str | Path | None = None) -> dict[str, object]:
    """The figures of ``run`` on its own test split (read once, at the end), or on other ``data``. Raises CapasError."""
    if data is not None:
        return evaluate_on(run, str(data))
    found = find_run(run)
    return read_metrics(found)


def load(where: str | Path, *, device: str = "cpu", answer_all: bool = False) -> Model:
    """The model of a run or bundle. Where its trust report left a detector, it refuses what does not resemble the
    training data, unless ``answer_all``. Raises CapasError when there is none, or on a pickle."""
    return load_with_ood_gate(where, device=device, answer_all=answer_all)
