"""``capas train``, ``resume`` and ``test``: progress on standard error, then metrics and the paths of the results."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import cast

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from capas.bundle.export import NOT_EXPORTABLE
from capas.cli import show
from capas.cli.data_verbs import print_problem
from capas.cli.trust_verbs import make_with_progress, print_report
from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.core.number_format import baseline_name, format_metric, is_rate, metric_name, metric_value
from capas.engine.config import Config
from capas.engine.evaluate import evaluate_on
from capas.engine.events import Evaluated, Event, Sampled, Started, Stepped, Stopped
from capas.engine.execution import Execution
from capas.engine.plan import Plan, config_for_data
from capas.engine.recipe import LOWER_IS_BETTER_METRICS, ResolvedConfig
from capas.engine.recipes.single_output.image.defaults import VAE_NETWORK
from capas.engine.run import Run, find_run, read_metrics
from capas.engine.train import TrainingCallbacks, TrainingResult
from capas.engine.train import resume as resume_run
from capas.engine.train import train as train_run
from capas.leaderboard.filing import file_run_if_possible, file_test
from capas.trust.report import TrustReport, report_level

STOPPED = 130


def train(data: str, wanted: Mapping[str, object], out: str | None, as_json: bool) -> None:
    """Train on ``data``, print the result, and make the trust report."""
    config = config_for_data(data, wanted)
    with watching(quiet=as_json) as screen:
        result = train_run(config, out=out, watch=screen.watch)
    _conclude(result, screen, as_json)


def resume(run: str, as_json: bool) -> None:
    """Continue a run and print the result, as ``train`` does."""
    with watching(quiet=as_json) as screen:
        result = resume_run(run, watch=screen.watch)
    _conclude(result, screen, as_json)


def test(run: str, data: str | None, sheet: str | None, as_json: bool) -> None:
    """Print the metrics of a run on its own test split, or on other data."""
    if data is None:
        found = find_run(run)
        figures = read_metrics(found)
        title = say("test.title", run=found.folder)
    else:
        with show.stages(quiet=as_json) as stages:
            figures = evaluate_on(run, data, sheet=sheet, progress=stages)
        _file_test(run, data, figures)
        title = say("test.title_other", run=run, data=data)
    if as_json:
        show.print_json({key: figures[key] for key in ("metrics", "baseline", "per_class")})
        return
    console = show.results()
    console.print(Text(title, "bold"))
    print_figures(console, figures)
    print_classes(console, figures)
    if left_out := cast(int, figures.get("left_out", 0)):
        show.notes().print(Text(say("test.left_out", n=left_out), "yellow"))


def _file_test(run: str, data: str, figures: Mapping[str, object]) -> None:
    """File a test on the board where possible; the metrics are printed in any case."""
    try:
        file_test(run, data, cast(str, figures["data_hash"]), cast(dict[str, object], figures["metrics"]))
    except CapasError as error:
        show.notes().print(Text(say("board.not_filed", reason=error.part("what")), "yellow"))


def _conclude(result: TrainingResult | None, screen: "Screen", as_json: bool) -> None:
    if result is None:
        if screen.stopped is not None and screen.run is not None:
            show.notes().print(say("train.stopped", step=screen.stopped.step, total=screen.stopped.total_steps))
            show.notes().print(Text(show.command("resume", str(screen.run.folder)), show.ACCENT), soft_wrap=True)
            sys.exit(STOPPED)
        return
    if not as_json:
        _print_result(result)
    if error := file_run_if_possible(result.run):
        show.notes().print(Text(say("board.not_filed", reason=error.part("what")), "yellow"))
    report = _reported(result, quiet=as_json)
    if as_json:
        page = None if report is None else str(report.page)
        show.print_json({**result.as_json(), "report": page})
        return
    console = show.results()
    console.print()
    if report is not None:
        print_report(report)
        console.print()
    _print_places(console, result)


def _reported(result: TrainingResult, *, quiet: bool) -> TrustReport | None:
    """The trust report that the run's configuration asks for. Ctrl-C skips it: the run itself is complete."""
    level = report_level(result.run)
    if level is None:
        return None
    try:
        return make_with_progress(str(result.run.folder), level, quiet=quiet)
    except KeyboardInterrupt:
        show.notes().print(Text(say("train.report_stopped"), "yellow"))
        show.notes().print(Text(show.command("trust", str(result.run.folder)), show.ACCENT), soft_wrap=True)
        return None


def _print_result(result: TrainingResult) -> None:
    console = show.results()
    figures = result.test_result.as_json()
    console.print()
    console.print(Text(examples_tested(result.test_result.n), "bold"))
    print_figures(console, figures)
    _print_hardest(console, figures)
    if result.run.teacher.finished:
        _print_teacher(console, result.run)
    if not result.test_result.beats_baselines():
        headline = next(iter(cast(dict[str, object], figures["metrics"]).values()))
        perfect = is_rate(headline) and metric_value(headline) == 1
        console.print(Padding(Text(say("train.as_good" if perfect else "train.not_better"), "yellow"), (0, 0, 0, 2)))


def examples_tested(n: int) -> str:
    """Return how many examples the one test had."""
    return say("train.tested_one") if n == 1 else say("train.tested", n=show.whole(n))


def _headline(run: Run) -> str:
    """Name and value of the headline metric of a run."""
    name, figure = next(iter(cast(dict[str, object], read_metrics(run)["metrics"]).items()))
    return f"{metric_name(name)} {format_metric(figure)}"


def _print_teacher(console: Console, run: Run) -> None:
    """Print the teacher's headline metric, and how many unlabelled images were used."""
    figure, first = (_headline(teacher) for teacher in (run.teacher, run.first_teacher))
    answered = cast(dict[str, int], run.read_json(run.unlabelled))
    learnt = say(
        "method.learnt",
        **{
            key: show.whole(answered[key])
            for key in ("learnt", "pictures", "unsure", "crowded", "in_test", "unreadable")
        },
        repeated=show.whole(answered["repeated"] + answered["labelled_already"]),
    )
    for line in (say("method.beside", figure=figure, first=first), learnt):
        console.print(Padding(Text(line, "dim"), (0, 0, 0, 2)))


def print_figures(console: Console, figures: Mapping[str, object]) -> None:
    """Print the headline metric with its interval, the baselines' below it, then the other metrics."""
    metrics = cast(dict[str, object], figures["metrics"])
    baseline = cast(dict[str, dict[str, object]], figures["baseline"])
    headline, *others = metrics
    rows = [(say("train.this_model"), metrics[headline], f"bold {show.ACCENT}")]
    compared = [(baseline_name(name), held[headline], "dim") for name, held in baseline.items() if headline in held]
    rows += sorted(compared, key=lambda row: metric_value(row[1]), reverse=headline not in LOWER_IS_BETTER_METRICS)
    share = is_rate(metrics[headline])
    largest = 1.0 if share else max(abs(metric_value(figure)) for _, figure, _ in rows) or 1.0
    drawn = [
        [Text(name), Text(format_metric(figure), style), Text(show.bar(metric_value(figure) / largest), style)]
        for name, figure, style in rows
    ]
    heads = ["", say("train.headline", figure=metric_name(headline)), ""]
    console.print(Padding(show.table("", heads, drawn), (0, 0, 0, 2)))
    if others:
        line = " · ".join(f"{metric_name(name)} {format_metric(metrics[name])}" for name in others)
        console.print(Padding(Text(line, "dim"), (0, 0, 0, 2)))
    if "fine_tuning" in figures:
        told = cast(dict[str, object], figures["fine_tuning"])["text"]
        console.print(Padding(Text(say("hub.fine_tuning.told", text=str(told))), (1, 0, 0, 2)))
    if "cross_validation" in figures:
        console.print(Padding(Text(_folds_text(cast(dict[str, object], figures["cross_validation"]))), (1, 0, 0, 2)))


def _folds_text(held: Mapping[str, object]) -> str:
    folds, figure = cast(list[float], held["folds"]), cast(dict[str, object], held["figure"])
    unit = {"unit": figure["unit"]} if "unit" in figure else {}
    ends = [format_metric({"value": end, **unit}) for end in (min(folds), max(folds))]
    name = metric_name(str(held["metric"]))
    n = show.whole(cast(int, held["n"]))
    return say("train.folds", folds=len(folds), name=name, figure=format_metric(figure), n=n, lowest=ends[0],
               highest=ends[1])  # fmt: skip


def print_classes(console: Console, figures: Mapping[str, object]) -> None:
    """Print recall and precision of every class, lowest recall first."""
    per_class = cast(dict[str, dict[str, dict[str, object]]], figures["per_class"])
    if not per_class:
        return
    rows = [
        [
            " ".join(name.split()),
            format_metric(parts["recall"]),
            format_metric(parts["precision"]),
            str(parts["recall"]["n"]),
        ]
        for name, parts in sorted(per_class.items(), key=lambda pair: metric_value(pair[1]["recall"]))
    ]
    heads = [say(f"test.{name}") for name in ("class", "recall", "precision", "n")]
    console.print()
    console.print(Padding(show.table("", heads, rows, right=(3,)), (0, 0, 0, 2)))


def _print_hardest(console: Console, figures: Mapping[str, object]) -> None:
    """Print the pair of classes that is confused most often."""
    confusion = cast(list[list[int]], figures.get("confusion", []))
    names = list(cast(dict[str, object], figures["per_class"])) if confusion else []
    worst = max(
        ((confusion[i][j], i, j) for i in range(len(names)) for j in range(len(names)) if i != j), default=(0, 0, 0)
    )
    if worst[0]:
        n = sum(confusion[worst[1]])
        sentence = say("train.hardest", actual=names[worst[1]], called=names[worst[2]], count=worst[0], n=n)
        console.print(Padding(Text(sentence, "dim"), (0, 0, 0, 2)))


def _print_places(console: Console, result: TrainingResult) -> None:
    folder, medium = str(result.run.folder), result.spec.medium
    rows = [[Text(say(f"train.place_{name}"), "dim"), f"{folder}/{path}"] for name, path in (
        ("model", "bundle/"), ("predictions", "predictions.csv"), ("everything", "config.toml, data.json, events.jsonl")
    )]  # fmt: skip
    console.print(show.table("", ["", ""], rows))
    console.print()
    verbs = [("predict", f" {say(f'media.{medium}')}…"), ("test", "")]
    if result.spec.task == "verify":
        verbs[0] = ("same", " A B")
    if result.spec.task == "embed":
        verbs[0] = ("embed", f" {say(f'media.{medium}')}… -o {say('train.vectors_folder')}")
    if result.network == VAE_NETWORK:
        verbs.append(("edit", f" {say(f'media.{medium}')} --class {result.spec.classes[0]}"))
    if result.spec.task == "generate":
        verbs[0] = ("generate", f" -n 64 -o {say('train.samples_folder')}")
    if result.spec.unpaired:
        verbs[0] = ("predict", f"{verbs[0][1]} --to {result.spec.classes[1]} -o {say('train.samples_folder')}")
    if result.spec.task not in NOT_EXPORTABLE:
        verbs.append(("export", " --to onnx"))
    for verb, arguments in verbs:
        line = show.command(verb, folder) + arguments
        note = f"   {say(f'train.next_{verb}')}"
        console.print(Text.assemble((say("next") + " ", "dim"), (line, show.ACCENT), note), soft_wrap=True)


def score_text(event: Evaluated) -> str:
    """Return a validation score: a share in percent, or decibels."""
    return f"{show.format_decimal(event.value, 2)} dB" if event.metric == "psnr" else show.format_percent(event.value)


class Screen:
    """Progress of a run: a bar with loss and speed, and a line for each evaluation on the validation split."""

    def __init__(self, console: Console, progress: Progress, stages: show.Stages) -> None:
        self._console = console
        self._progress = progress
        self._bar = progress.add_task(say("progress.train"), visible=False, detail="")
        self._validation = ""
        self.stopped: Stopped | None = None
        self.run: Run | None = None
        self.watch = TrainingCallbacks(
            event=self._on_event,
            progress=stages,
            resolved=self._on_decided,
            stage=self._on_stage,
            planned=self._on_planned,
        )

    def _on_stage(self, kind: str, number: int, total: int) -> None:
        self._console.print(Text(say(f"method.stage_{kind}", number=number, total=total), "bold"))

    def _on_planned(self, plan: Plan) -> None:
        """Print what was found in the data, as ``look`` does; what is only good to know is left to ``look``."""
        for problem in plan.look.problems:
            if problem.severity == "warning":
                print_problem(self._console, problem)

    def _on_decided(self, run: Run, settled: ResolvedConfig, execution: Execution) -> None:
        self.run = run
        for line in decision_lines(settled.config, settled.reasons, execution):
            self._console.print(line)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Started):
            self._progress.update(self._bar, total=event.total_steps, completed=event.step, visible=True)
            self._console.print(Text(say("train.started", examples=show.whole(event.examples), batch=event.batch_size,
                                         epochs=show.format_decimal(event.epochs, 1)), "dim"))  # fmt: skip
        elif isinstance(event, Stepped):
            speed, left = show.whole(round(event.examples_per_s)), show.duration(event.seconds_left)
            detail = say("train.detail", loss=losses_text(event), speed=speed, left=left)
            self._progress.update(
                self._bar, completed=event.step, total=event.total_steps, detail=f"{self._validation}{detail}"
            )
        elif isinstance(event, Sampled):
            self._console.print(Text(say("train.sampled", path=f"samples/{event.path}"), "dim"))
        elif isinstance(event, Evaluated):
            self._validation = say("train.validation", value=score_text(event)) + " · "
            if not self._console.is_terminal:
                self._console.print(say("train.evaluated", step=event.step, metric=metric_name(event.metric),
                                        value=score_text(event), n=event.n,
                                        time=show.duration(event.seconds)))  # fmt: skip
        elif isinstance(event, Stopped):
            self.stopped = event


def decision_lines(config: Config, reasons: tuple[str, ...], execution: Execution) -> Iterator[Text]:
    """Yield what Capas decided, and why, line by line."""
    yield Text.assemble(
        (say("train.network"), "dim"), "  ", (config.network.name, f"bold {show.ACCENT}"),
        f"  {size}×{size}" if isinstance(size := config.data.image_size, int) else "",
    )  # fmt: skip
    for reason in reasons:
        yield Text(f"  · {reason}", "dim")
    how = say("train.execution", device=execution.device, precision=execution.precision,
              layout=execution.memory_format, threads=execution.threads)  # fmt: skip
    yield Text(f"  · {how} {execution.reason}", "dim")


@contextmanager
def watching(*, quiet: bool) -> Iterator[Screen]:
    """Show a ``Screen`` on standard error; without a terminal it prints lines, and with ``quiet`` nothing."""
    console = show.console(stderr=True, quiet=quiet)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(complete_style=show.ACCENT, finished_style=show.ACCENT),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}", style="dim"),
        console=console,
    )
    before = Progress(TextColumn("{task.description}"), BarColumn(complete_style=show.ACCENT), TaskProgressColumn(),
                      console=console)  # fmt: skip
    screen = Screen(console, progress, show.Stages(before))
    if quiet or not console.is_terminal:
        yield screen
        return
    with Live(Group(before, progress), console=console, refresh_per_second=8, transient=True):
        yield screen


def losses_text(event: Stepped) -> str:
    """The loss; where phases have several, each with its name."""
    if len(event.losses) <= 1:
        return show.format_decimal(event.loss, 3)
    return "; ".join(f"{name} {show.format_decimal(value, 3)}" for name, value in event.losses.items())
