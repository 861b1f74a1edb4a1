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
from capas.data.inspect.report import input_collection
from capas.data.sources.source import DataSource
from capas.engine.build import BuiltRun, build
from capas.engine.config import Config
from capas.engine.dataset_record import DatasetRecord, find_examples, read_dataset_record
from capas.engine.decision import load_unchanged_config, read_execution, save_execution, write_plan
from capas.engine.distributed import Ranks, join_process_group
from capas.engine.events import Event, Finished, append_event
from capas.engine.execution import Execution
from capas.engine.loop import StopRequest
from capas.engine.methods.noisy_student import NOISY_STUDENT, open_unlabelled, student_config
from capas.engine.methods.pseudo_labels import add_pseudo_labels, filter_unlabelled, predict_pseudo_labels
from capas.engine.plan import Progress, dataset_record_of, make_plan
from capas.engine.predict import load_model
from capas.engine.recipe import PreparedDataset, ResolvedConfig, TestResult, TrainingJob
from capas.engine.recipes import recipe_for
from capas.engine.results import build_card, write_predictions
from capas.engine.run import Run, find_run, new_run, refuse_nonempty

EventCallback = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingResult:
    """What a finished training gives back."""

    run: Run
    spec: Spec
    network: str
    test_result: TestResult
    seconds: float

    def as_json(self) -> dict[str, object]:
        """The form of ``capas train --json``."""
        figures = self.test_result.as_json()
        return {
            "run": str(self.run.folder),
            "task": self.spec.task,
            "network": self.network,
            "metrics": figures["metrics"],
            "baseline": figures["baseline"],
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingCallbacks:
    """Who is told what: ``event`` for what happens in training, ``progress`` with (stage, done, total) before it,
    ``resolved`` with the run, the settled configuration and how it will be computed; ``stage`` where there are several
    trainings: what begins ("teacher", "answers" or "student"), the number of the training and how many there are.
    """

    event: EventCallback = lambda event: None
    progress: Progress = lambda stage, done, total: None
    resolved: Callable[[Run, ResolvedConfig, Execution], None] = lambda run, settled, execution: None
    stage: Callable[[str, int, int], None] = lambda kind, number, total: None


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingRun:
    """A run that is about to be carried out; ``indices`` say where the record's examples are in ``source``.
    ``execution`` is how it computed before it was interrupted, None when it has yet to be measured.
    """

    run: Run
    resolved: ResolvedConfig
    record: DatasetRecord
    source: DataSource
    indices: list[int]
    execution: Execution | None


def train(
    config: Config, *, out: str | Path | None = None, watch: TrainingCallbacks | None = None
) -> TrainingResult | None:
    """Train, test once, write the bundle. Returns None when the user stopped it; ``resume`` then goes on."""
    with join_process_group() as ranks:
        watch = watch if watch and ranks.is_main else TrainingCallbacks()
        run = Run(
            folder=Path(ranks.broadcast_text(str(new_run(out, config.data.source).folder) if ranks.is_main else ""))
        )
        plan = make_plan(config, progress=watch.progress)
        with _lock_run(run, ranks):
            if ranks.is_main:
                refuse_nonempty(run.folder)  # another may have taken it while we looked
                write_plan(run, plan)
            job = PendingRun(
                run=run,
                resolved=plan.resolved,
                record=dataset_record_of(plan),
                source=plan.look.source,
                indices=[i for i, usable in enumerate(plan.look.usable) if usable],
                execution=None,
            )
            return _learn(job, ranks, watch)


def resume(where: str | Path, *, watch: TrainingCallbacks | None = None) -> TrainingResult | None:
    """Go on with a run that was stopped or killed, exactly where it was. Raises CapasError on a finished one."""
    run = find_run(where)
    with join_process_group() as ranks, _lock_run(run, ranks):
        watch = watch if watch and ranks.is_main else TrainingCallbacks()
        if run.finished:
            raise CapasError("run_finished", where=run.folder)
        return _learn(_load_pending_run(run), ranks, watch)


def _load_pending_run(run: Run) -> PendingRun:
    """A run that was begun, as it is on disk."""
    config, record = load_unchanged_config(run), read_dataset_record(run)
    source, indices = find_examples(record, config.data)
    return PendingRun(
        run=run,
        resolved=ResolvedConfig(config=config, reasons=()),
        record=record,
        source=source,
        indices=indices,
        execution=read_execution(run),
    )


def _lock_run(run: Run, ranks: Ranks) -> AbstractContextManager[None]:
    """The run's folder for this process alone; of several that train together, for the one that writes."""
    return only_writer(run.folder) if ranks.is_main else nullcontext()


def _learn(job: PendingRun, ranks: Ranks, watch: TrainingCallbacks) -> TrainingResult | None:
    """Carry the run out; a student's after its teacher's, and after the teacher has answered. What is done already is
    not done again."""
    method = job.resolved.config.method
    if method.name != NOISY_STUDENT:
        return _run_training(job, ranks, watch)
    if job.record.taught is None:
        if not _train_teacher(job, ranks, watch):
            return None
        watch.stage("answers", method.iterations, method.iterations + 1)
        if ranks.is_main:
            _pseudo_label(job, watch)
        ranks.broadcast(0)  # the others wait until it is written
        job = _load_pending_run(job.run)
    watch.stage("student", method.iterations + 1, method.iterations + 1)
    settled = replace(job.resolved, config=student_config(job.resolved.config))
    return _run_training(replace(job, resolved=settled), ranks, watch)


def _train_teacher(job: PendingRun, ranks: Ranks, watch: TrainingCallbacks) -> bool:
    """See to it that the teacher of this student is finished; False when the user stopped it."""
    teacher, trainings = job.run.teacher, job.resolved.config.method.iterations + 1
    if ranks.broadcast_flags(teacher.finished)[0]:
        return True
    with _lock_run(teacher, ranks):
        teacher_run = _load_pending_run(teacher)
        # To the user it is one run: what is said of its teacher's trainings is said of this folder.
        callbacks = replace(
            watch,
            resolved=lambda run, settled, execution: watch.resolved(job.run, settled, execution),
            stage=lambda kind, number, total: watch.stage(kind, number, trainings),
        )
        if teacher_run.resolved.config.method.name != NOISY_STUDENT:
            callbacks.stage("teacher", 1, trainings)
        settled = replace(teacher_run.resolved, reasons=job.resolved.reasons)
        result = _learn(replace(teacher_run, resolved=settled), ranks, callbacks)
    return ranks.broadcast_flags(result is not None)[0]


def _pseudo_label(job: PendingRun, watch: TrainingCallbacks) -> None:
    """Let the teacher answer for the unlabelled pictures, and write the student's record with what it learns from."""
    run, config = job.run, job.resolved.config
    execution, source = read_execution(run.teacher), run.read_json(run.decision)["unlabelled"]
    labelled = job.source.images
    assert execution is not None and isinstance(source, str) and labelled is not None
    torch.set_num_threads(execution.threads)  # after a resumption the answers are the same to the last bit
    pictures = open_unlabelled(source, config.data.max_pixels)
    sifted = filter_unlabelled(
        job.record, labelled, job.indices, pictures, lambda done, total: watch.progress("prepare", done, total)
    )
    teacher = load_model(run.teacher.folder, device=execution.device)
    chosen = sorted(sifted.hashes)
    answers = predict_pseudo_labels(
        teacher, pictures, chosen, lambda done, total: watch.progress("answer", done, total)
    )
    record, answered = add_pseudo_labels(job.record, source, pictures, sifted, answers, config.method)
    write_json(run.unlabelled, answered.as_json())
    write_json(run.data, record.as_json())


def _run_training(job: PendingRun, ranks: Ranks, watch: TrainingCallbacks) -> TrainingResult | None:
    spec = job.record.spec
    work = PreparedDataset(
        config=job.resolved.config,
        spec=spec,
        record=job.record,
        inputs=input_collection(job.source, spec),
        targets=job.source.targets,
        indices=job.indices,
        cache=job.run.folder / "cache",
        progress=lambda done, total: watch.progress("prepare", done, total),
    )
    learnable = recipe_for(spec).prepare(work, ranks)
    stop = StopRequest()
    with stop.listening():
        built = build(
            job.resolved.config,
            learnable,
            checkpoints=job.run.checkpoints,
            ranks=ranks,
            stop=stop,
            execution=job.execution,
        )
        if ranks.is_main:
            save_execution(job.run, built.execution)
        watch.resolved(job.run, job.resolved, built.execution)
        last = _run_loop(job.run, built, ranks, watch)
    return _test_and_bundle(job, built, last, watch) if isinstance(last, Finished) and ranks.is_main else None


def _test_and_bundle(
    job: PendingRun, built: BuiltRun[object], end: Finished, watch: TrainingCallbacks
) -> TrainingResult:
    """The one reading of the test split, and the finished model."""
    run, learnable = job.run, built.job
    watch.progress("test", 0, 1)
    learnable.calibrate(built.execution)
    tested = learnable.test(built.execution)
    write_predictions(run, tested)
    write_json(run.metrics, tested.as_json())
    network = learnable.network_card()
    card = build_card(run, job.resolved.config, job.record, network, built.execution, tested, end)
    write_bundle(run.bundle, bundle_network(learnable), learnable.bundle_files(), card)
    watch.progress("test", 1, 1)
    return TrainingResult(run=run, spec=job.record.spec, network=network.name, test_result=tested, seconds=end.seconds)


def bundle_network(job: TrainingJob[object]) -> nn.Module:
    """What the bundle keeps: the objective's one network, or all of them by name."""
    networks = job.objective.networks
    return next(iter(networks.values())) if len(networks) == 1 else nn.ModuleDict(networks)


def _run_loop(run: Run, built: BuiltRun[object], ranks: Ranks, watch: TrainingCallbacks) -> Event | None:
    event: Event | None = None
    for event in built.loop.run():
        if ranks.is_main:
            append_event(run.events, event)
            watch.event(event)
    return event
