"""The verb ``plan``: look at the data, settle every open choice; nothing is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from capas.core.errors import CapasError
from capas.data.look import Look, look, refuse_if_unlearnable
from capas.engine.config import Config, read_config
from capas.engine.method import absolute, check_method, settle_method
from capas.engine.recipe import Settled
from capas.engine.recipes import recipe_for
from capas.engine.record import Record

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All that is decided before anything runs."""

    look: Look
    settled: Settled

    @property
    def config(self) -> Config:
        """The complete configuration."""
        return self.settled.config


def config_for(data: str, changes: Mapping[str, object]) -> Config:
    """The configuration for ``data``, a plan file (``*.toml``) or data itself, with ``changes`` made."""
    if not data.strip():
        raise CapasError("no_such_path", where=repr(data))
    shown = data.encode("utf-8", "backslashreplace").decode()
    if shown != data:  # the configuration is a file in UTF-8 and could not name it
        raise CapasError("path_not_utf8", where=shown)
    if data.endswith(".toml"):
        if not Path(data).is_file():
            raise CapasError("no_such_path", where=data)
        return read_config(Path(data)).merged(changes)
    return Config().merged({"data.source": data, **changes})


def look_at(config: Config, *, progress: Progress | None = None) -> Look:
    """Look at the data of ``config``; ``progress`` is called with ("look", done, total)."""
    return look(
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
    seen = look_at(config, progress=progress)
    refuse_if_unlearnable(seen)
    return Plan(look=seen, settled=settle_method(recipe_for(seen.detection.spec).settle(config, seen), seen))


def record_of(plan: Plan) -> Record:
    """The usable examples of ``plan``, each with its content, class and split."""
    seen, config = plan.look, plan.config
    used = [i for i, usable in enumerate(seen.usable) if usable]
    return Record(
        source=absolute(config.data.source),
        spec=seen.detection.spec,
        names=tuple(seen.inputs.name(i) for i in used),
        hashes=tuple(seen.keys[i] for i in used),
        labels=tuple(seen.labels[i] for i in used),
        splits=tuple(part for i in used if (part := seen.split[i]) is not None),
    )
