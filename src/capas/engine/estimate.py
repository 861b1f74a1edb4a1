"""How long training would take, from a few steps on a batch of the right size."""

from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config, ExecutionConfig
from capas.engine.execution import choose_execution, measure_throughput, thread_counts
from capas.engine.recipes import recipe_for


def _likely(requested: ExecutionConfig) -> ExecutionConfig:
    """What is most often chosen, so that a mere estimate need not try everything."""
    update: dict[str, object] = {}
    if requested.memory_format == "auto":
        update["memory_format"] = "channels_last"
    if requested.threads == "auto":
        update["threads"] = thread_counts()[-1]
    return requested.model_copy(update=update)


def estimate_seconds(config: Config, report: DatasetReport) -> float:
    """Seconds of training as configured on this machine as busy as it is now."""
    recipe = recipe_for(report.detection.spec)
    resolved = recipe.resolve_defaults(config, report).config
    if resolved.train.time_s:
        return resolved.train.time_s
    trial = recipe.trial(resolved, report)
    execution = choose_execution(_likely(resolved.execution), trial, budget_s=1.0)
    measured = execution.measured or measure_throughput([execution], trial, budget_s=2.0)
    speed = max(m.examples_per_s for m in measured)
    # A quarter more for augmentation, validation and checkpoints, as measured on small pictures.
    return 1.25 * float(resolved.train.epochs) * max(1, report.split.count("train")) / speed
