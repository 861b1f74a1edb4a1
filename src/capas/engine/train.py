"""The verbs ``plan``, ``train`` and ``resume``: from a folder to a run with a tested, carded model."""

import csv
import datetime
import io
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch

from capas.bundle.card import Card, DataCard, NetworkCard, ProvenanceCard, SplitCard, WeightsCard, limits
from capas.bundle.write import write_bundle
from capas.core.errors import CapasError
from capas.core.files import content_hash, only_writer, write_atomic, write_json
from capas.core.spec import Field, Spec
from capas.data.look import Look, look, refuse_if_unlearnable
from capas.data.pictures import Pictures
from capas.engine.build import Built, build, prepare_store
from capas.engine.choose import Execution
from capas.engine.config import Config, read_config, write_toml
from capas.engine.evaluate import Tested, test_once
from capas.engine.events import Event, Finished, append_event
from capas.engine.loop import StopRequest
from capas.engine.parallel import Ranks, joined_ranks
from capas.engine.record import SPLITS, Record, find_pictures, read_record
from capas.engine.run import Run, find_run, new_run, processor, write_environment
from capas.engine.settle import Facts, Settled, settle
from capas.networks.catalog import entry
from capas.version import __version__

Listen = Callable[[Event], None]
Progress = Callable[[str, int, int], None]
GREY_MODES = {"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What a finished training gives back."""

    run: Run
    spec: Spec
    network: str
    tested: Tested
    seconds: float

    def as_json(self) -> dict[str, object]:
        """The form of ``capas train --json``."""
        figures = self.tested.as_json()
        return {
            "run": str(self.run.folder),
            "task": self.spec.task,
            "network": self.network,
            "metrics": figures["metrics"],
            "baseline": figures["baseline"],
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """Who is told what: ``event`` for what happens in training, ``progress`` with (stage, done, total) before it,
    ``decided`` once with the settled configuration and how it will be computed.
    """

    event: Listen = lambda event: None
    progress: Progress = lambda stage, done, total: None
    decided: Callable[[Settled, Execution], None] = lambda settled, execution: None


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
    seen = look_at(config, progress=progress)
    refuse_if_unlearnable(seen)
    return Plan(look=seen, settled=settle(config, facts_of(seen)))


def facts_of(seen: Look) -> Facts:
    """What the rules for automatic choices need to know. Raises CapasError when there are no pictures."""
    pictures = seen.statistics
    if pictures is None:
        raise CapasError("no_pictures_to_learn", where=seen.source.root)
    return Facts(
        examples=sum(part == "train" for part in seen.split),
        classes=seen.detection.spec.classes,
        median_width=pictures.width.middle,
        median_height=pictures.height.middle,
        grey=set(pictures.modes) <= GREY_MODES,
    )


def train(config: Config, *, out: str | Path | None = None, watch: Watch | None = None) -> Result | None:
    """Train, test once, write the bundle. Returns None when the user stopped it; ``resume`` then goes on."""
    with joined_ranks() as ranks:
        watch = watch if watch and ranks.leads else Watch()
        run = Run(folder=Path(ranks.agree_text(str(new_run(out, config.data.source).folder) if ranks.leads else "")))
        plan = make_plan(config, progress=watch.progress)
        with _held(run, ranks):
            if ranks.leads:
                new_run(run.folder, config.data.source)  # another may have taken it while we looked
                _write_plan(run, plan)
            record = _record(plan)
            pictures = plan.look.source.pictures
            assert pictures is not None
            indices = [i for i, usable in enumerate(plan.look.usable) if usable]
            spec = plan.look.detection.spec
            return _carry_out(run, plan.settled, spec, record, pictures, indices, ranks, watch, execution=None)


def resume(where: str | Path, *, watch: Watch | None = None) -> Result | None:
    """Go on with a run that was stopped or killed, exactly where it was. Raises CapasError on a finished one."""
    run = find_run(where)
    with joined_ranks() as ranks, _held(run, ranks):
        watch = watch if watch and ranks.leads else Watch()
        if run.metrics.is_file() and (run.bundle / "card.json").is_file():
            raise CapasError("run_finished", where=run.folder)
        config = _unchanged_config(run)
        record = read_record(run)
        settled = Settled(config=config, channels=_channels(run), reasons=())
        pictures, indices = find_pictures(record, config.data.max_pixels)
        execution = _read_execution(run)
        return _carry_out(run, settled, _spec(record), record, pictures, indices, ranks, watch, execution=execution)


def _held(run: Run, ranks: Ranks) -> AbstractContextManager[None]:
    """The run's folder for this process alone; of several that train together, for the one that writes."""
    return only_writer(run.folder) if ranks.leads else nullcontext()


def _carry_out(
    run: Run,
    settled: Settled,
    spec: Spec,
    record: Record,
    pictures: Pictures,
    indices: list[int],
    ranks: Ranks,
    watch: Watch,
    *,
    execution: Execution | None,
) -> Result | None:
    config = settled.config
    store, preparation = prepare_store(
        config,
        record,
        pictures,
        indices,
        settled.channels,
        cache=run.folder / "cache",
        progress=lambda done, total: watch.progress("prepare", done, total),
    )
    stop = StopRequest()
    with stop.listening():
        built = build(
            config,
            spec,
            record,
            store,
            preparation,
            checkpoints=run.checkpoints,
            ranks=ranks,
            stop=stop,
            execution=execution,
        )
        _keep_execution(run, built, ranks)
        watch.decided(settled, built.execution)
        last = _follow(run, built, ranks, watch)
    if not isinstance(last, Finished) or not ranks.leads:
        return None
    watch.progress("test", 0, 1)
    tested = test_once(built.network, store, record, preparation, built.execution)
    _write_predictions(run, record, tested)
    write_json(run.metrics, tested.as_json())
    card = _card(run, config, spec, record, built, tested, last)
    write_bundle(run.bundle, built.network, preparation, card)
    watch.progress("test", 1, 1)
    return Result(run=run, spec=spec, network=config.network.name, tested=tested, seconds=last.seconds)


def _follow(run: Run, built: Built, ranks: Ranks, watch: Watch) -> Event | None:
    event: Event | None = None
    for event in built.loop.run():
        if ranks.leads:
            append_event(run.events, event)
            watch.event(event)
    return event


# --- the files of a run -------------------------------------------------------------------------------------------


def _write_plan(run: Run, plan: Plan) -> None:
    write_json(run.data, _record(plan).as_json())
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
        "channels": plan.settled.channels,
        "reasons": list(plan.settled.reasons),
    }


def _record(plan: Plan) -> Record:
    seen, config = plan.look, plan.config
    pictures = seen.source.pictures
    assert pictures is not None
    used = [i for i, usable in enumerate(seen.usable) if usable]
    return Record(
        source=_absolute(config.data.source),
        target=config.data.target,
        classes=seen.detection.spec.classes,
        names=tuple(pictures.name(i) for i in used),
        hashes=tuple(seen.keys[i] for i in used),
        labels=tuple(seen.labels[i] for i in used),
        splits=tuple(part for i in used if (part := seen.split[i]) is not None),
    )


def _absolute(source: str) -> str:
    """A path that still holds when the run is resumed from another folder; other sources as they are."""
    return source if source.startswith("sample:") else str(Path(source).absolute())


def _spec(record: Record) -> Spec:
    target = Field(name=record.target or "class", kind="category")
    return Spec(inputs=(Field(name="image", kind="image"),), target=target, task="classify", classes=record.classes)


def _unchanged_config(run: Run) -> Config:
    config = read_config(run.config)
    if run.read_json(run.decision).get("config_hash") != _config_hash(config):
        raise CapasError("config_changed", where=run.config)
    return config


def _config_hash(config: Config) -> str:
    return content_hash(write_toml(config).encode())


def _channels(run: Run) -> int:
    channels = run.read_json(run.decision).get("channels")
    if channels not in (1, 3):
        raise CapasError("run_damaged", where=run.decision, received=f"channels = {channels}")
    return channels


def _keep_execution(run: Run, built: Built, ranks: Ranks) -> None:
    if not ranks.leads:
        return
    decision = run.read_json(run.decision)
    if "execution" not in decision:
        write_json(run.decision, {**decision, "execution": built.execution.as_json()})


def _read_execution(run: Run) -> Execution | None:
    """How the run computed so far, or None for a new run. Raises CapasError when it cannot be done here."""
    tree = run.read_json(run.decision).get("execution")
    if tree is None:
        return None
    try:
        return Execution.from_json(tree)
    except ValueError as error:
        raise CapasError("run_damaged", where=run.decision, received=str(error)) from error


def _write_predictions(run: Run, record: Record, tested: Tested) -> None:
    """One line per test example: what it is, what was answered, and the probability of every class."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["example", "class", "prediction", "probability", *(f"p({c})" for c in record.classes)])
    for position, row in zip(tested.positions.tolist(), tested.probabilities, strict=True):
        best = int(row.argmax())
        writer.writerow(
            [
                record.names[position],
                record.classes[record.labels[position]],
                record.classes[best],
                f"{float(row[best]):.6f}",
                *(f"{p:.6f}" for p in row.tolist()),
            ]
        )
    write_atomic(run.predictions, text.getvalue())


def _card(run: Run, config: Config, spec: Spec, record: Record, built: Built, tested: Tested, end: Finished) -> Card:
    row, execution = entry(config.network.name), built.execution
    data = DataCard(
        source=record.source if record.source.startswith("sample:") else Path(record.source).name,
        splits={s: SplitCard(count=record.splits.count(s), hash=record.digest(s)) for s in SPLITS},
    )
    counts = [(name, record.labels.count(i)) for i, name in enumerate(record.classes)]
    figures = tested.as_json()
    return Card(
        name=run.folder.absolute().name,
        task=spec.task,
        classes=list(spec.classes),
        network=NetworkCard(
            name=row.name,
            in_channels=built.preparation.channels,
            num_classes=len(spec.classes),
            image_size=int(config.data.image_size),
            width=int(config.network.width) or None,
            mirrored=config.network.mirrored is True,
            parameters=sum(p.numel() for p in built.network.parameters()),
            paper=row.paper,
        ),
        weights=WeightsCard(hash="", bytes=0, started_from="ImageNet" if config.network.pretrained else ""),
        data=data,
        metrics=cast(dict[str, object], figures["metrics"]),
        baseline=cast(dict[str, object], figures["baseline"]),
        per_class=cast(dict[str, object], figures["per_class"]),
        limits=limits(data, len(tested.positions), min(counts, key=lambda pair: pair[1]), built.preparation.channels),
        provenance=ProvenanceCard(
            capas=__version__,
            torch=torch.__version__,
            processor=processor(),
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            seed=config.train.seed,
            seconds=round(end.seconds, 3),
            steps=end.step,
            device=execution.device,
            precision=execution.precision,
            memory_format=execution.memory_format,
            threads=execution.threads,
        ),
    )
