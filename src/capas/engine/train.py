"""The verbs ``train`` and ``resume``: from a folder to a run with a tested, carded model."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
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
from capas.engine.method import NOISY_STUDENT, open_unlabelled, student_config
from capas.engine.outcome import card_of, write_predictions
from capas.engine.parallel import Ranks, joined_ranks
from capas.engine.plan import Progress, make_plan, record_of
from capas.engine.predict import load_model
from capas.engine.recipe import Learnable, Settled, Tested, Work
from capas.engine.recipes import recipe_for
from capas.engine.record import Record, find_examples, read_record
from capas.engine.run import Run, find_run, new_run, refuse_used
from capas.engine.unlabelled import answers_of, sift, taught

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
    ``decided`` with the run, the settled configuration and how it will be computed; ``stage`` where there are several
    trainings: what begins ("teacher", "answers" or "student"), the number of the training and how many there are.
    """

    event: Listen = lambda event: None
    progress: Progress = lambda stage, done, total: None
    decided: Callable[[Run, Settled, Execution], None] = lambda run, settled, execution: None
    stage: Callable[[str, int, int], None] = lambda kind, number, total: None


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
            return _learn(job, ranks, watch)


def resume(where: str | Path, *, watch: Watch | None = None) -> Result | None:
    """Go on with a run that was stopped or killed, exactly where it was. Raises CapasError on a finished one."""
    run = find_run(where)
    with joined_ranks() as ranks, _held(run, ranks):
        watch = watch if watch and ranks.leads else Watch()
        if run.finished:
            raise CapasError("run_finished", where=run.folder)
        return _learn(_found(run), ranks, watch)


def _found(run: Run) -> Job:
    """A run that was begun, as it is on disk."""
    config, record = unchanged_config(run), read_record(run)
    source, indices = find_examples(record, config.data)
    return Job(
        run=run,
        settled=Settled(config=config, reasons=()),
        record=record,
        source=source,
        indices=indices,
        execution=read_execution(run),
    )


def _held(run: Run, ranks: Ranks) -> AbstractContextManager[None]:
    """The run's folder for this process alone; of several that train together, for the one that writes."""
    return only_writer(run.folder) if ranks.leads else nullcontext()


def _learn(job: Job, ranks: Ranks, watch: Watch) -> Result | None:
    """Carry the run out; a student's after its teacher's, and after the teacher has answered. What is done already is
    not done again."""
    method = job.settled.config.method
    if method.name != NOISY_STUDENT:
        return _carry_out(job, ranks, watch)
    if job.record.taught is None:
        if not _taught_teacher(job, ranks, watch):
            return None
        watch.stage("answers", method.iterations, method.iterations + 1)
        if ranks.leads:
            _answer(job, watch)
        ranks.agree(0)  # the others wait until it is written
        job = _found(job.run)
    watch.stage("student", method.iterations + 1, method.iterations + 1)
    settled = replace(job.settled, config=student_config(job.settled.config))
    return _carry_out(replace(job, settled=settled), ranks, watch)


def _taught_teacher(job: Job, ranks: Ranks, watch: Watch) -> bool:
    """See to it that the teacher of this student is finished; False when the user stopped it."""
    teacher, trainings = job.run.teacher, job.settled.config.method.iterations + 1
    if ranks.agree_on(teacher.finished)[0]:
        return True
    with _held(teacher, ranks):
        found = _found(teacher)
        # To the user it is one run: what is said of its teacher's trainings is said of this folder.
        told = replace(
            watch,
            decided=lambda run, settled, execution: watch.decided(job.run, settled, execution),
            stage=lambda kind, number, total: watch.stage(kind, number, trainings),
        )
        if found.settled.config.method.name != NOISY_STUDENT:
            told.stage("teacher", 1, trainings)
        settled = replace(found.settled, reasons=job.settled.reasons)
        result = _learn(replace(found, settled=settled), ranks, told)
    return ranks.agree_on(result is not None)[0]


def _answer(job: Job, watch: Watch) -> None:
    """Let the teacher answer for the unlabelled pictures, and write the student's record with what it learns from."""
    run, config = job.run, job.settled.config
    execution, source = read_execution(run.teacher), run.read_json(run.decision)["unlabelled"]
    labelled = job.source.pictures
    assert execution is not None and isinstance(source, str) and labelled is not None
    torch.set_num_threads(execution.threads)  # after a resumption the answers are the same to the last bit
    pictures = open_unlabelled(source, config.data.max_pixels)
    sifted = sift(
        job.record, labelled, job.indices, pictures, lambda done, total: watch.progress("prepare", done, total)
    )
    teacher = load_model(run.teacher.folder, device=execution.device)
    chosen = sorted(sifted.hashes)
    answers = answers_of(teacher, pictures, chosen, lambda done, total: watch.progress("answer", done, total))
    record, answered = taught(job.record, source, pictures, sifted, answers, config.method)
    write_json(run.unlabelled, answered.as_json())
    write_json(run.data, record.as_json())


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
