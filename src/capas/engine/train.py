"""``capas train`` and ``capas resume``: from a dataset to a run with a tested model and its card."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from capas.bundle.write import write_bundle
from capas.core.errors import CapasError
from capas.core.files import only_writer, write_json
from capas.core.spec import Spec
from capas.data.inspect.read_dataset import input_collection
from capas.data.sources.source import DataSource
from capas.engine.build import BuiltRun, build
from capas.engine.config import Config
from capas.engine.dataset_record import DatasetRecord, find_examples, read_dataset_record
from capas.engine.decision import load_unchanged_config, read_execution, save_execution, write_plan
from capas.engine.distributed import Ranks, join_process_group
from capas.engine.events import Event, Finished, append_event
from capas.engine.execution import Execution
from capas.engine.loop import StopRequest
from capas.engine.methods.cross_validation import FoldsFailedError, cross_validated_test
from capas.engine.methods.generated_examples import add_generated
from capas.engine.methods.noisy_student import NOISY_STUDENT, open_unlabelled, student_config
from capas.engine.methods.pseudo_labels import add_pseudo_labels, filter_unlabelled, predict_pseudo_labels
from capas.engine.plan import Plan, Progress, dataset_record_of, make_plan
from capas.engine.predict import load_model
from capas.engine.recipe import PreparedDataset, ResolvedConfig, TestResult, TrainingJob
from capas.engine.recipes import recipe_for
from capas.engine.results import build_card, write_predictions
from capas.engine.run import Run, find_run, new_run, refuse_nonempty, remove_pieces
from capas.objectives.base import deployed_networks

EventCallback = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingResult:
    """The result of a finished training.

    Attributes:
        run: The folder of the run.
        spec: The learning problem.
        network: Name of the network.
        test_result: Metrics on the test split.
        seconds: Training time.
    """

    run: Run
    spec: Spec
    network: str
    test_result: TestResult
    seconds: float

    def as_json(self) -> dict[str, object]:
        """Return the form of ``capas train --json``."""
        figures = self.test_result.as_json()
        return {
            "run": str(self.run.folder),
            "task": self.spec.task,
            "network": self.network,
            "metrics": figures["metrics"],
            "baseline": figures["baseline"],
            **({"cross_validation": folds} if (folds := figures.get("cross_validation")) else {}),
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingCallbacks:
    """Callbacks of a training.

    Attributes:
        event: Called with every event of the training loop.
        progress: Called with (stage, done, total) before and after training.
        resolved: Called with the run, the resolved configuration and the execution settings before training starts.
        stage: Where a run trains several networks, called with what begins ("teacher", "answers" or "student"), the
            number of the training, and how many there are.
        planned: Called with the plan, what was found in the data among it, before anything is trained.
    """

    event: EventCallback = lambda event: None
    progress: Progress = lambda stage, done, total: None
    resolved: Callable[[Run, ResolvedConfig, Execution], None] = lambda run, settled, execution: None
    stage: Callable[[str, int, int], None] = lambda kind, number, total: None
    planned: Callable[[Plan], None] = lambda plan: None


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingRun:
    """A run that is about to be carried out.

    Attributes:
        run: Its folder.
        resolved: The complete configuration.
        record: The examples.
        source: The opened data source.
        indices: Index of each example of ``record`` in ``source``.
        execution: The settings it was computed with before an interruption; None where they are yet to be chosen.
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
    """Train, test once and write the bundle.

    Args:
        config: The configuration; "auto" is resolved here.
        out: The folder of the run, by default ``runs/DATE-TIME-NAME``.
        watch: Callbacks.

    Returns:
        The result, or None where the user stopped training; ``resume`` then continues.
    """
    with join_process_group() as ranks:
        watch = watch if watch and ranks.is_main else TrainingCallbacks()
        run = Run(
            folder=Path(ranks.broadcast_text(str(new_run(out, config.data.source).folder) if ranks.is_main else ""))
        )
        plan = make_plan(config, progress=watch.progress)
        watch.planned(plan)
        with _lock_run(run, ranks):
            if ranks.is_main:
                refuse_nonempty(run.folder)  # another may have taken it while we looked
                write_plan(run, plan)
            ranks.broadcast(0)  # what the others prepare goes into the folder, which was to be empty until here
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
    """Continue a run that was stopped or killed, exactly where it was. Raises CapasError ``run_finished``."""
    run = find_run(where)
    with join_process_group() as ranks, _lock_run(run, ranks):
        watch = watch if watch and ranks.is_main else TrainingCallbacks()
        if run.finished:
            raise CapasError("run_finished", where=run.folder)
        if ranks.is_main:
            remove_pieces(run)
        return _learn(_load_pending_run(run), ranks, watch)


def _load_pending_run(run: Run) -> PendingRun:
    """A started run, as it is on disk."""
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
    """The run's folder locked for this process; with several ranks, for the main one."""
    return only_writer(run.folder) if ranks.is_main else nullcontext()


def _learn(job: PendingRun, ranks: Ranks, watch: TrainingCallbacks) -> TrainingResult | None:
    """Carry the run out: a student's after its teacher's and the pseudo-labelling. Finished parts are not repeated."""
    method = job.resolved.config.method
    if job.resolved.config.augment.with_run and job.record.taught is None:
        if ranks.is_main:
            _add_generated(job, watch)
        ranks.broadcast(0)  # the others wait until it is written
        job = replace(_load_pending_run(job.run), resolved=job.resolved)
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


def _add_generated(job: PendingRun, watch: TrainingCallbacks) -> None:
    """Draw further examples of rare classes and write the record with them."""
    pictures = job.source.images
    assert pictures is not None
    record, summary = add_generated(
        job.run, job.record, pictures, job.indices, job.resolved.config,
        lambda done, total: watch.progress("generate", done, total),
    )  # fmt: skip
    write_json(job.run.generated_summary, summary.model_dump())
    write_json(job.run.data, record.as_json())


def _train_teacher(job: PendingRun, ranks: Ranks, watch: TrainingCallbacks) -> bool:
    """Make sure that the teacher of this student is trained; False where the user stopped it."""
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
    """Pseudo-label the unlabelled images and write the student's record with those it is trained on."""
    run, config = job.run, job.resolved.config
    execution, source = read_execution(run.teacher), run.read_json(run.decision)["unlabelled"]
    labelled = job.source.images
    assert execution is not None and isinstance(source, str) and labelled is not None
    torch.set_num_threads(execution.threads)  # after a resumption the answers are the same to the last bit
    pictures = open_unlabelled(source, config.data)
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
    learnable = recipe_for(job.record.spec).prepare(_prepared(job, watch), ranks)
    stop = StopRequest()
    with stop.listening():
        built = build(
            job.resolved.config,
            learnable,
            checkpoints=job.run.checkpoints,
            ranks=ranks,
            stop=stop,
            execution=job.execution,
            samples=job.run.folder / "samples",
        )
        if ranks.is_main:
            save_execution(job.run, built.execution)
        watch.resolved(job.run, job.resolved, built.execution)
        last = _run_loop(job.run, built, ranks, watch)
    return _test_and_bundle(job, built, last, watch) if isinstance(last, Finished) and ranks.is_main else None


def _prepared(job: PendingRun, watch: TrainingCallbacks) -> PreparedDataset:
    spec = job.record.spec
    return PreparedDataset(
        config=job.resolved.config,
        spec=spec,
        record=job.record,
        inputs=input_collection(job.source, spec),
        targets=job.source.targets,
        indices=job.indices,
        cache=job.run.folder / "cache",
        progress=lambda done, total: watch.progress("prepare", done, total),
        columns=job.source.columns,
    )


def _test_and_bundle(
    job: PendingRun, built: BuiltRun[object], end: Finished, watch: TrainingCallbacks
) -> TrainingResult:
    """The one evaluation on the test split, then card and bundle."""
    run, learnable = job.run, built.job
    watch.progress("test", 0, 1)
    learnable.calibrate(built.execution)
    tested = learnable.test(built.execution)
    tested = replace(tested, further={**tested.further, **_on_folds(job, built.execution, end.seconds, watch)})
    write_predictions(run, tested)
    write_json(run.metrics, tested.as_json())
    network = learnable.network_card()
    card = build_card(run, job.resolved.config, job.record, network, built.execution, tested, end)
    write_bundle(run.bundle, bundle_network(learnable), learnable.bundle_files(), card)
    watch.progress("test", 1, 1)
    return TrainingResult(run=run, spec=job.record.spec, network=network.name, test_result=tested, seconds=end.seconds)


def _on_folds(job: PendingRun, execution: Execution, seconds: float, watch: TrainingCallbacks) -> Mapping[str, object]:
    """What cross-validation adds to ``metrics.json``: nothing where there is none, why where it failed."""
    try:
        folds = cross_validated_test(
            _prepared(job, watch), execution, seconds=seconds,
            progress=lambda done, total: watch.progress("cross_validation", done, total),
        )  # fmt: skip
    except FoldsFailedError as error:
        return {"cross_validation_failed": str(error)}
    return {} if folds is None else {"cross_validation": folds.as_json()}


def bundle_network(job: TrainingJob[object]) -> nn.Module:
    """What the bundle keeps: the one network that is deployed, or all of them by name."""
    networks = deployed_networks(job.objective)
    return next(iter(networks.values())) if len(networks) == 1 else nn.ModuleDict(networks)


def _run_loop(run: Run, built: BuiltRun[object], ranks: Ranks, watch: TrainingCallbacks) -> Event | None:
    event: Event | None = None
    for event in built.loop.run():
        if ranks.is_main:
            append_event(run.events, event)
            watch.event(event)
    return event
