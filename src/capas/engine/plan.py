"""``capas plan``: inspect the data and resolve every default, without training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.core.number_format import format_decimal
from capas.core.spec import Medium, TaskName
from capas.data.collections import FilesWithColumns
from capas.data.inspect.report import DatasetReport, inspect_dataset, require_learnable
from capas.engine.config import Config, ExecutionConfig, read_config
from capas.engine.dataset_record import DatasetRecord
from capas.engine.execution import choose_execution, measure_throughput, thread_counts
from capas.engine.methods.generated_examples import check_generator, resolve_generated
from capas.engine.methods.noisy_student import NOISY_STUDENT, check_method, resolve_method_defaults
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes import recipe_for
from capas.engine.recipes.single_output.image.defaults import VAE, VAE_NETWORK
from capas.engine.run import absolute_source

Progress = Callable[[str, int, int], None]
SMALL_DATASET: Final = 300
# What can begin with the weights of another run.
STARTS_FROM_RUN: Final[frozenset[tuple[TaskName, Medium]]] = frozenset({
    ("classify", "image"), ("tag", "image"), ("regress", "image"),
    ("classify", "audio"), ("tag", "audio"), ("regress", "audio"), ("transcribe", "image"), ("transcribe", "audio"),
})  # fmt: skip
STANDARD_REPORT_S: Final = 90.0  # of 5,000 small pictures on an idle laptop


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All decisions taken before a run starts.

    Attributes:
        look: The report on the dataset.
        resolved: The complete configuration and the reasons for it.
    """

    look: DatasetReport
    resolved: ResolvedConfig

    @property
    def config(self) -> Config:
        """The complete configuration."""
        return self.resolved.config


def config_for_data(data: str, changes: Mapping[str, object]) -> Config:
    """Return the configuration for ``data``.

    Args:
        data: A folder, a table, ``sample:NAME``, or a plan file (``*.toml``).
        changes: Values by "section.key", applied last.

    Raises:
        CapasError: ``data`` does not exist or is not UTF-8, or a change is invalid.
    """
    if not data.strip():
        raise CapasError("no_such_path", where=repr(data))
    printable_path = data.encode("utf-8", "backslashreplace").decode()
    if printable_path != data:  # the configuration is a file in UTF-8 and could not name it
        raise CapasError("path_not_utf8", where=printable_path)
    if data.endswith(".toml"):
        if not Path(data).is_file():
            raise CapasError("no_such_path", where=data)
        return read_config(Path(data)).merged(changes)
    return Config().merged({"data.source": data, **changes})


def look_at(config: Config, *, progress: Progress | None = None) -> DatasetReport:
    """Inspect the dataset of ``config``; ``progress`` is called with ("look", done, total)."""
    return inspect_dataset(
        config.data.source,
        target=config.data.target,
        task=config.data.task,
        group=config.data.group,
        columns_beside=config.data.columns_beside and not _images_alone(config),
        unpaired=config.transform.kind in ("auto", "unpaired"),
        max_pixels=config.data.max_pixels,
        sheet=config.data.sheet,
        follow_links=config.data.follow_links,
        validation=None if config.data.validation == "auto" else config.data.validation,
        test=config.data.test,
        progress=None if progress is None else lambda done, total: progress("look", done, total),
    )


def _images_alone(config: Config) -> bool:
    """Whether columns beside images are left aside: what is added to learn from has no row, and a VAE draws images."""
    added = config.method.name == NOISY_STUDENT or bool(config.augment.with_run)
    return added or config.method.name == VAE or config.network.name == VAE_NETWORK


def make_plan(config: Config, *, progress: Progress | None = None) -> Plan:
    """Inspect the data and resolve every default. Raises CapasError where nothing can be learnt from the data."""
    check_method(config)
    check_generator(config)
    report = look_at(config, progress=progress)
    require_learnable(report)
    _check_start(config, report)
    resolved = resolve_method_defaults(recipe_for(report.detection.spec).resolve_defaults(config, report), report)
    resolved = resolve_generated(resolved, report)
    return Plan(look=report, resolved=resolve_report_level(resolved, report))


def _check_start(config: Config, report: DatasetReport) -> None:
    """Raise CapasError ``init_from_not_here`` where a run to start from would be ignored."""
    spec = report.detection.spec
    if config.network.init_from and (spec.task, spec.medium) not in STARTS_FROM_RUN:
        where, kind = config.network.init_from, f"{spec.task} ({spec.medium})"
        raise CapasError("init_from_not_here", where="network.init_from", received=where, kind=kind)


def resolve_report_level(resolved: ResolvedConfig, report: DatasetReport) -> ResolvedConfig:
    """Return the configuration with the depth of its trust report: the quick one of few examples, or in little time.

    What the standard report adds says nothing on few test examples, and on a pretrained network it takes many times as
    long as the training. Rows always get the standard one: theirs takes seconds.
    """
    config = resolved.config
    if config.trust.report != "auto":
        return resolved
    usable = sum(report.usable)
    reasons: tuple[str, ...] = ()
    if report.detection.spec.medium != "table":
        if usable < SMALL_DATASET:
            reasons = (say("trust.time.quick_of_few", n=usable),)
        elif 0 < config.trust.time_s < STANDARD_REPORT_S:
            reasons = (say("trust.time.quick_in_time", seconds=format_decimal(config.trust.time_s, 0)),)
    trust = config.trust.model_copy(update={"report": "quick" if reasons else "standard"})
    return ResolvedConfig(config=config.model_copy(update={"trust": trust}), reasons=(*resolved.reasons, *reasons))


def dataset_record_of(plan: Plan) -> DatasetRecord:
    """Return the record of the usable examples of ``plan``."""
    report, config = plan.look, plan.config
    used = [i for i, usable in enumerate(report.usable) if usable]
    return DatasetRecord(
        source=absolute_source(config.data.source),
        spec=report.detection.spec,
        names=tuple(report.inputs.name(i) for i in used),
        hashes=tuple(report.keys[i] for i in used),
        labels=tuple(report.labels[i] for i in used),
        splits=tuple(part for i in used if (part := report.split[i]) is not None),
        cells=report.inputs.cells_hash(used) if isinstance(report.inputs, FilesWithColumns) else "",
    )


def estimate_seconds(config: Config, report: DatasetReport) -> float:
    """Estimate the training time in seconds on this machine under its present load."""
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


def _likely(requested: ExecutionConfig) -> ExecutionConfig:
    """The settings that are chosen most often, so that an estimate need not try them all."""
    update: dict[str, object] = {}
    if requested.memory_format == "auto":
        update["memory_format"] = "channels_last"
    if requested.threads == "auto":
        update["threads"] = thread_counts()[-1]
    return requested.model_copy(update=update)
