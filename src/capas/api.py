"""The commands as functions: each takes what its command takes and returns values instead of printing them."""

from collections.abc import Mapping
from pathlib import Path

from capas.data.inspect.report import DatasetReport
from capas.engine.evaluate import evaluate_on
from capas.engine.plan import Plan, config_for_data, look_at, make_plan
from capas.engine.predict import Model
from capas.engine.run import find_run, read_metrics
from capas.engine.train import TrainingCallbacks, TrainingResult
from capas.engine.train import resume as resume_run
from capas.engine.train import train as train_run
from capas.leaderboard.filing import file_run_if_possible
from capas.trust.ood.selective_prediction import load_with_ood_gate
from capas.trust.report import TrustReport, make_report, report_deadline, report_level
from capas.trust.theme_context import Level

Settings = Mapping[str, object]


def look(data: str | Path, *, settings: Settings | None = None) -> DatasetReport:
    """Inspect a dataset: its content, the task that would be learnt, and its problems.

    Args:
        data: A folder, a table, ``sample:NAME`` or a plan file.
        settings: Configuration values by key, ``{"data.target": "species"}``.

    Raises:
        CapasError: The data cannot be read, or a setting is invalid.

    >>> look("sample:shapes").per_class("test")
    {'circle': 40, 'square': 40, 'triangle': 40}
    """
    return look_at(config_for_data(str(data), settings or {}))


def plan(data: str | Path, *, settings: Settings | None = None) -> Plan:
    """Return the complete configuration that ``train`` would use, with reasons; nothing is trained. Raises CapasError.

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
    """Train on a dataset, test once, and write run, bundle and trust report.

    Args:
        data: A folder, a table, ``sample:NAME`` or a plan file.
        network: Name of the network, by default chosen from the data.
        time_s: Seconds of training instead of epochs.
        seed: Seed of all random numbers.
        out: Folder of the run, by default ``runs/DATE-TIME-NAME``.
        report: Depth of the trust report: "none", "quick", "standard" or "deep"; by default quick for few pictures,
            texts or sounds, else standard.
        settings: Further configuration values by key; they win over the arguments above.
        watch: Callbacks for progress and events.

    Returns:
        The result, or None where the user pressed Ctrl-C; ``resume`` then continues.

    Raises:
        CapasError: The data cannot be learnt from, or a setting is invalid.

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
    """Continue a run that was stopped or killed, exactly where it was, then finish it as ``train`` does. Raises
    CapasError.
    """
    return _reported(resume_run(run, watch=watch))


def trust(run: str | Path, *, level: Level = "standard", time_s: float | None = None) -> TrustReport:
    """Make the trust report of a finished run: nine themes, as an HTML page and as JSON.

    Args:
        run: The run.
        level: How thoroughly.
        time_s: Seconds that it may take; by default as long as the training took, and two minutes at least.

    Raises:
        CapasError: There is no such run, or it is unfinished, altered, or its data are gone.
    """
    return make_report(str(run), level, deadline=report_deadline(find_run(run), time_s))


def _reported(result: TrainingResult | None) -> TrainingResult | None:
    if result is not None:
        file_run_if_possible(result.run)
    if result is not None and (level := report_level(result.run)) is not None:
        trust(result.run.folder, level=level)
    return result


def test(run: str | Path, *, data: str | Path | None = None) -> dict[str, object]:
    """Return the metrics of ``run`` on its own test split (evaluated once, at the end of training), or on other
    ``data``. Raises CapasError.
    """
    if data is not None:
        return evaluate_on(run, str(data))
    found = find_run(run)
    return read_metrics(found)


def load(where: str | Path, *, device: str = "cpu", answer_all: bool = False) -> Model:
    """Load the model of a run or bundle.

    Args:
        where: A run, a bundle folder, "latest", or the name of a shipped model.
        device: Where it computes: "cpu", "cuda", "cuda:N" or "mps".
        answer_all: Predict out-of-distribution inputs too; by default the detector of the trust report refuses them.

    Raises:
        CapasError: There is no model, or it is a pickle.
    """
    return load_with_ood_gate(where, device=device, answer_all=answer_all)
