"""``decision.json``: the plan that a run started from, and how it is executed."""

import sys
from collections.abc import Mapping

from capas.core.errors import CapasError
from capas.core.files import content_hash, write_atomic, write_json
from capas.engine.config import Config, config_to_toml, read_config
from capas.engine.dataset_record import DatasetRecord
from capas.engine.execution import Execution
from capas.engine.methods.noisy_student import NOISY_STUDENT, teacher_config
from capas.engine.plan import Plan, dataset_record_of
from capas.engine.run import Run, absolute_source, write_environment


def write_plan(run: Run, plan: Plan) -> None:
    """Write what a run starts from: dataset record, decisions, environment, configuration. Raises CapasError."""
    report = plan.look.as_json()
    facts = {key: report[key] for key in ("task", "evidence", "alternatives", "problems")}
    reasons = {"reasons": list(plan.resolved.reasons)}
    _write_start(run, plan.config, dataset_record_of(plan), facts | reasons)


def _write_start(run: Run, config: Config, record: DatasetRecord, decision: Mapping[str, object]) -> None:
    """Write the start of a run and, before it, that of its teacher where it has one."""
    if config.method.name == NOISY_STUDENT:
        _write_start(run.teacher, teacher_config(config), record, decision)
        decision = {**decision, "unlabelled": absolute_source(config.method.unlabelled)}
    write_json(run.data, record.as_json())
    write_json(run.decision, {**decision, "config_hash": _config_hash(config)})
    write_environment(run, " ".join(["capas", *sys.argv[1:]]))
    # The configuration last: it is what makes a folder a run.
    write_atomic(run.config, config_to_toml(config))


def load_unchanged_config(run: Run) -> Config:
    """Read the configuration of ``run``. Raises CapasError ``config_changed`` where it was edited after the start."""
    config = read_config(run.config)
    if run.read_json(run.decision).get("config_hash") != _config_hash(config):
        raise CapasError("config_changed", where=run.config)
    return config


def _config_hash(config: Config) -> str:
    return content_hash(config_to_toml(config).encode())


def save_execution(run: Run, execution: Execution) -> None:
    """Write the execution settings to ``decision.json``, unless it has some already."""
    decision = run.read_json(run.decision)
    if "execution" not in decision:
        write_json(run.decision, {**decision, "execution": execution.as_json()})


def read_execution(run: Run) -> Execution | None:
    """Return the execution settings that the run started with; None before they were chosen. Raises CapasError
    ``run_damaged``.
    """
    tree = run.read_json(run.decision).get("execution")
    if tree is None:
        return None
    try:
        return Execution.from_json(tree)
    except ValueError as error:
        raise CapasError("run_damaged", where=run.decision, received=str(error)) from error
