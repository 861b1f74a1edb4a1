"""The verb ``plan``: look at the data, settle every open choice; nothing is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from capas.core.errors import CapasError
from capas.data.inspect.report import DatasetReport, inspect_dataset, require_learnable
from capas.engine.config import Config, read_config
from capas.engine.dataset_record import DatasetRecord
from capas.engine.methods.noisy_student import check_method, resolve_method_defaults
from capas.engine.recipe import ResolvedConfig
from capas.engine.recipes import recipe_for
from capas.engine.run import absolute_source

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All that is decided before anything runs."""

    look: DatasetReport
    resolved: ResolvedConfig

    @property
    def config(self) -> Config:
        """The complete configuration."""
        return self.resolved.config


def config_for_data(data: str, changes: Mapping[str, object]) -> Config:
    """The configuration for ``data``, a plan file (``*.toml``) or data itself, with ``changes`` made."""
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
    """Look at the data of ``config``; ``progress`` is called with ("look", done, total)."""
    return inspect_dataset(
        config.data.source,
        target=config.data.target,
        task=config.data.task,
        group=config.data.group,
        max_pixels=config.data.max_pixels,
        validation=config.data.validation,
        test=config.data.test,
        progress=None if progress is None else lambda done, total: progress("look", done, total),
    )


def make_plan(config: Config, *, progress: Progress | None = None) -> Plan:
    """Look at the data and settle everything. Raises CapasError when nothing can be learnt from it."""
    check_method(config)
    report = look_at(config, progress=progress)
    require_learnable(report)
    return Plan(
        look=report,
        resolved=resolve_method_defaults(recipe_for(report.detection.spec).resolve_defaults(config, report), report),
    )


def dataset_record_of(plan: Plan) -> DatasetRecord:
    """The usable examples of ``plan``, each with its content, class and split."""
    report, config = plan.look, plan.config
    used = [i for i, usable in enumerate(report.usable) if usable]
    return DatasetRecord(
        source=absolute_source(config.data.source),
        spec=report.detection.spec,
        names=tuple(report.inputs.name(i) for i in used),
        hashes=tuple(report.keys[i] for i in used),
        labels=tuple(report.labels[i] for i in used),
        splits=tuple(part for i in used if (part := report.split[i]) is not None),
    )
