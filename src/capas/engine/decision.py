"""What was decided for a run, kept with it: the plan before the first step, and how it computes from then on."""

import sys

from capas.core.errors import CapasError
from capas.core.files import content_hash, write_atomic, write_json
from capas.engine.choose import Execution
from capas.engine.config import Config, read_config, write_toml
from capas.engine.plan import Plan, record_of
from capas.engine.run import Run, write_environment


def write_plan(run: Run, plan: Plan) -> None:
    """Write what a run starts from: data record, decision, environment, configuration. Raises CapasError."""
    write_json(run.data, record_of(plan).as_json())
    write_json(run.decision, _decision(plan))
    write_environment(run, " ".join(["capas", *sys.argv[1:]]))
    # The configuration last: it is what makes a folder a run.
    write_atomic(run.config, write_toml(plan.config))


def _decision(plan: Plan) -> dict[str, object]:
    seen = plan.look.as_json()
    kept = ("task", "evidence", "alternatives", "problems")
    return {
        **{key: seen[key] for key in kept},
        "config_hash": _config_hash(plan.config),
        "reasons": list(plan.settled.reasons),
    }


def unchanged_config(run: Run) -> Config:
    """The configuration of ``run``. Raises CapasError ``config_changed`` when it is not the one it began with."""
    config = read_config(run.config)
    if run.read_json(run.decision).get("config_hash") != _config_hash(config):
        raise CapasError("config_changed", where=run.config)
    return config


def _config_hash(config: Config) -> str:
    return content_hash(write_toml(config).encode())


def keep_execution(run: Run, execution: Execution) -> None:
    """Write down, once, how the run computes."""
    decision = run.read_json(run.decision)
    if "execution" not in decision:
        write_json(run.decision, {**decision, "execution": execution.as_json()})


def read_execution(run: Run) -> Execution | None:
    """How the run computed so far, or None when it had not come to that. Raises CapasError ``run_damaged``."""
    tree = run.read_json(run.decision).get("execution")
    if tree is None:
        return None
    try:
        return Execution.from_json(tree)
    except ValueError as error:
        raise CapasError("run_damaged", where=run.decision, received=str(error)) from error
