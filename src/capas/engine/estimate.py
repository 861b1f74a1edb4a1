"""How long training would take, from a few steps on a batch of the right size."""

from capas.data.look import Look
from capas.engine.choose import choose_execution, measure, thread_counts
from capas.engine.config import Config, ExecutionConfig
from capas.engine.recipes import recipe_for


def _likely(wanted: ExecutionConfig) -> ExecutionConfig:
    """What is most often chosen, so that a mere estimate need not try everything."""
    update: dict[str, object] = {}
    if wanted.memory_format == "auto":
        update["memory_format"] = "channels_last"
    if wanted.threads == "auto":
        update["threads"] = thread_counts()[-1]
    return wanted.model_copy(update=update)


def estimate_seconds(config: Config, seen: Look) -> float:
    """Seconds of training as configured on this machine as busy as it is now."""
    recipe = recipe_for(seen.detection.spec)
    settled = recipe.settle(config, seen).config
    if settled.train.time_s:
        return settled.train.time_s
    trial = recipe.trial(settled, seen)
    execution = choose_execution(_likely(settled.execution), trial, budget_s=1.0)
    measured = execution.measured or measure([execution], trial, budget_s=2.0)
    speed = max(m.examples_per_s for m in measured)
    # A quarter more for augmentation, validation and checkpoints, as measured on small pictures.
    return 1.25 * float(settled.train.epochs) * max(1, seen.split.count("train")) / speed
