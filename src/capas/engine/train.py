"""The verbs ``train`` and ``resume``: from a folder to a run with a tested, carded model."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from capas.bundle.write import write_bundle
from capas.core.errors import CapasError
from capas.core.files import only_writer, write_json
from capas.core.spec import Spec
from capas.data.look import inputs_of
from capas.data.sources import Source
from capas.engine.build import Built, build
from capas.engine.choose import Execution
from capas.engine.config import Config
from capas.engine.decision import keep_execution, read_execution, unchanged_config, write_plan
from capas.engine.events import Event, Finished, append_event
from capas.engine.loop import StopRequest
from capas.engine.outcome import card_of, write_predictions
from capas.engine.parallel import Ranks, joined_ranks
from capas.engine.plan import Progress, make_plan, record_of
from capas.engine.recipe import Learnable, Settled, Tested, Work
from capas.engine.recipes import recipe_for
from capas.engine.record import Record, find_examples, read_record
from capas.engine.run import Run, find_run, new_run, refuse_used

Listen = Callable[[Event], None]


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
    ``decided`` once with the run, the settled configuration and how it will be computed.
    """

    event: Listen = lambda event: None
    progress: Progress = lambda stage, done, total: None
    decided: Callable[[Run, Settled, Execution], None] = lambda run, settled, execution: None


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A run that is about to be carried out; ``indices`` say where the record's examples are in ``source``.
    ``execution`` is how it computed before it was interrupted, None when it has yet to be measured.
    """

    run: Run
    settled: Settled
    record: Record
    source: Source
    indices: list[int]
    execution: Execution | None


def train(config: Config, *, out: str | Path | None = None, watch: Watch | None = None) -> Result | None:
    """Train, test once, write the bundle. Returns None when the user stopped it; ``resume`` then goes on."""
    with joined_ranks() as ranks:
        watch = watch if watch and ranks.leads else Watch()
        run = Run(folder=Path(ranks.agree_text(str(new_run(out, config.data.source).folder) if ranks.leads else "")))
        plan = make_plan(config, progress=watch.progress)
        with _held(run, ranks):
            if ranks.leads:
                refuse_used(run.folder)  # another may have taken it while we looked
                write_plan(run, plan)
            job = Job(
                run=run,
                settled=plan.settled,
                record=record_of(plan),
                source=plan.look.source,
                indices=[i for i, usable in enumerate(plan.look.usable) if usable],
                execution=None,
            )
            return _carry_out(job, ranks, watch)


def resume(where: str | Path, *, watch: Watch | None = None) -> Result | None:
    """Go on with a run that was stopped or killed, exactly where it was. Raises CapasError on a finished one."""
    run = find_run(where)
    with joined_ranks() as ranks, _held(run, ranks):
        watch = watch if watch and ranks.leads else Watch()
        if run.metrics.is_file() and (run.bundle / "card.json").is_file():
            raise CapasError("run_finished", where=run.folder)
        config, record = unchanged_config(run), read_record(run)
        source, indices = find_examples(record, config.data)
        job = Job(
            run=run,
            settled=Settled(config=config, reasons=()),
            record=record,
            source=source,
            indices=indices,
            execution=read_execution(run),
        )
        return _carry_out(job, ranks, watch)


def _held(run: Run, ranks: Ranks) -> AbstractContextManager[None]:
    """The run's folder for this process alone; of several that train together, for the one that writes."""
    return only_writer(run.folder) if ranks.leads else nullcontext()


def _carry_out(job: Job, ranks: Ranks, watch: Watch) -> Result | None:
    spec = job.record.spec
    work = Work(
        config=job.settled.config,
        spec=spec,
        record=job.record,
        inputs=inputs_of(job.source, spec),
        targets=job.source.targets,
        indices=job.indices,
        cache=job.run.folder / "cache",
        progress=lambda done, total: watch.progress("prepare", done, total),
    )
    learnable = recipe_for(spec).prepare(work, ranks)
    stop = StopRequest()
    with stop.listening():
        built = build(
            job.settled.config,
            learnable,
            checkpoints=job.run.checkpoints,
            ranks=ranks,
            stop=stop,
            execution=job.execution,
        )
        if ranks.leads:
            keep_execution(job.run, built.execution)
        watch.decided(job.run, job.settled, built.execution)
        last = _follow(job.run, built, ranks, watch)
    return _conclude(job, built, last, watch) if isinstance(last, Finished) and ranks.leads else None


def _conclude(job: Job, built: Built[object], end: Finished, watch: Watch) -> Result:
    """The one reading of the test split, and the finished model."""
    run, learnable = job.run, built.learnable
    watch.progress("test", 0, 1)
    learnable.finish(built.execution)
    tested = learnable.test(built.execution)
    write_predictions(run, tested)
    write_json(run.metrics, tested.as_json())
    network = learnable.network_card()
    card = card_of(run, job.settled.config, job.record, network, built.execution, tested, end)
    write_bundle(run.bundle, model_of(learnable), learnable.files(), card)
    watch.progress("test", 1, 1)
    return Result(run=run, spec=job.record.spec, network=network.name, tested=tested, seconds=end.seconds)


def model_of(learnable: Learnable[object]) -> nn.Module:
    """What the bundle keeps: the objective's one network, or all of them by name."""
    networks = learnable.objective.networks
    return next(iter(networks.values())) if len(networks) == 1 else nn.ModuleDict(networks)


def _follow(run: Run, built: Built[object], ranks: Ranks, watch: Watch) -> Event | None:
    event: Event | None = None
    for event in built.loop.run():
        if ranks.leads:
            append_event(run.events, event)
            watch.event(event)
    return event
