"""The verbs and their options. Each verb's work is imported when it is called."""

from enum import StrEnum
from typing import Annotated, no_type_check

import typer
from typer import rich_utils

from capas.core.messages import LANGUAGES, say
from capas.version import __version__

rich_utils.ARGUMENTS_PANEL_TITLE = say("cli.arguments")
rich_utils.OPTIONS_PANEL_TITLE = say("cli.options")
rich_utils.COMMANDS_PANEL_TITLE = say("cli.commands")

app = typer.Typer(
    help=say("cli.help"),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Language(StrEnum):
    """The languages of ``--lang``."""

    EN = "en"
    ES = "es"


assert [language.value for language in Language] == list(LANGUAGES)


def _print_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"capas {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def common(
    lang: Annotated[Language | None, typer.Option(help=say("cli.lang"))] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help=say("cli.version"))
    ] = False,
) -> None:
    """Options that stand before the verb; ``--lang`` was already read by ``main``."""


def complete_data(incomplete: str) -> list[str]:
    """Samples and files, for tab completion."""
    from capas.cli.complete import data

    return data(incomplete)


def complete_networks(incomplete: str) -> list[str]:
    """Names of networks, for tab completion."""
    from capas.cli.complete import networks

    return networks(incomplete)


def complete_runs(incomplete: str) -> list[str]:
    """Run folders, for tab completion."""
    from capas.cli.complete import runs

    return runs(incomplete)


class Level(StrEnum):
    """How deep a trust report goes."""

    QUICK = "quick"
    STANDARD = "standard"
    DEEP = "deep"


class ReportOption(StrEnum):
    """The same, or none, after training."""

    NONE = "none"
    QUICK = "quick"
    STANDARD = "standard"
    DEEP = "deep"


Data = Annotated[
    str, typer.Argument(metavar="DATA", help=say("cli.data"), autocompletion=complete_data, show_default=False)
]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help=say("cli.run"), autocompletion=complete_runs, show_default=False)
]
Inputs = Annotated[list[str], typer.Argument(metavar="INPUT…", help=say("cli.inputs"), show_default=False)]
Json = Annotated[bool, typer.Option("--json", help=say("cli.json"))]
Task = Annotated[str | None, typer.Option(help=say("cli.task"))]
Target = Annotated[str | None, typer.Option(metavar="COLUMN", help=say("cli.target"))]
Group = Annotated[str | None, typer.Option(metavar="COLUMN", help=say("cli.group"))]
NetworkOption = Annotated[
    str | None, typer.Option(metavar="NAME", help=say("cli.network"), autocompletion=complete_networks)
]
Time = Annotated[str | None, typer.Option(metavar="10m", help=say("cli.time"))]
Seed = Annotated[int | None, typer.Option(min=0, help=say("cli.seed"))]
Method = Annotated[str | None, typer.Option(metavar="NAME", help=say("method.option"))]
Unlabelled = Annotated[str | None, typer.Option(metavar="FOLDER", help=say("method.option_unlabelled"))]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help=say("cli.set"))]
Out = Annotated[str | None, typer.Option("--out", "-o", metavar="PATH", help=say("cli.out"))]


@app.command(help=say("cli.look"))
def look(
    data: Data,
    task: Task = None,
    target: Target = None,
    group: Group = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    from capas.cli import data_verbs

    data_verbs.look(data, data_verbs.changes(task=task, target=target, group=group, settings=settings), as_json)


@app.command(help=say("cli.plan"))
def plan(
    data: Data,
    out: Out = None,
    task: Task = None,
    target: Target = None,
    group: Group = None,
    network: NetworkOption = None,
    time: Time = None,
    seed: Seed = None,
    method: Method = None,
    unlabelled: Unlabelled = None,
    settings: Settings = None,
) -> None:
    from capas.cli import data_verbs

    wanted = data_verbs.changes(
        task=task,
        target=target,
        group=group,
        network=network,
        time=time,
        seed=seed,
        method=method,
        unlabelled=unlabelled,
        settings=settings,
    )
    data_verbs.plan(data, wanted, out)


@app.command(help=say("cli.train"))
def train(
    data: Data,
    task: Task = None,
    target: Target = None,
    group: Group = None,
    network: NetworkOption = None,
    time: Time = None,
    seed: Seed = None,
    report: Annotated[ReportOption | None, typer.Option(help=say("cli.report"))] = None,
    method: Method = None,
    unlabelled: Unlabelled = None,
    settings: Settings = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    from capas.cli import data_verbs, train_verbs

    level = None if report is None else report.value
    wanted = data_verbs.changes(
        task=task,
        target=target,
        group=group,
        network=network,
        time=time,
        seed=seed,
        report=level,
        method=method,
        unlabelled=unlabelled,
        settings=settings,
    )
    train_verbs.train(data, wanted, out, as_json)


@app.command(help=say("cli.resume"))
def resume(run: RunArgument, as_json: Json = False) -> None:
    from capas.cli import train_verbs

    train_verbs.resume(run, as_json)


@app.command(help=say("cli.test"))
def test(
    run: RunArgument,
    data: Annotated[str | None, typer.Option(metavar="DATA", help=say("cli.test_data"))] = None,
    as_json: Json = False,
) -> None:
    from capas.cli import train_verbs

    train_verbs.test(run, data, as_json)


@app.command(help=say("cli.predict"))
def predict(
    run: RunArgument,
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT…", help=say("cli.inputs"))],
    limit: Annotated[int | None, typer.Option(min=1, help=say("cli.limit"))] = None,
    top: Annotated[int, typer.Option(min=1, help=say("cli.top"))] = 3,
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FILE|FOLDER", help=say("cli.predict_out"))] = None,
    batch_size: Annotated[int, typer.Option(min=1, help=say("cli.batch_size"))] = 64,
    answer_all: Annotated[bool, typer.Option("--answer-all", help=say("cli.answer_all"))] = False,
    as_json: Json = False,
) -> None:
    from capas.cli import use_verbs

    use_verbs.predict(
        run, inputs, limit=limit, top=top, out=out, batch_size=batch_size, answer_all=answer_all, as_json=as_json
    )


@app.command(help=say("cli.export"))
def export(
    run: RunArgument,
    to: Annotated[str, typer.Option(help=say("cli.to"))] = "onnx",
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FILE", help=say("cli.export_out"))] = None,
    as_json: Json = False,
) -> None:
    from capas.cli import use_verbs

    use_verbs.export(run, to, out, as_json)


@app.command(help=say("cli.trust"))
def trust(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN", help=say("cli.run"), autocompletion=complete_runs, show_default=False)
    ],
    level: Annotated[Level, typer.Option(help=say("cli.level"))] = Level.STANDARD,
    compare: Annotated[bool, typer.Option("--compare", help=say("cli.compare"))] = False,
    as_json: Json = False,
) -> None:
    from capas.cli import trust_verbs

    trust_verbs.trust(runs, level.value, compare, as_json)


@app.command(help=say("cli.explain"))
def explain(
    run: RunArgument,
    inputs: Inputs,
    of: Annotated[str | None, typer.Option(metavar="CLASS", help=say("cli.explain_of"))] = None,
    limit: Annotated[int | None, typer.Option(min=1, help=say("cli.limit"))] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FOLDER", help=say("cli.explain_out"))] = None,
    as_json: Json = False,
) -> None:
    from capas.cli import why_verbs

    why_verbs.explain(run, inputs, of=of, limit=limit, out=out, as_json=as_json)


@app.command(help=say("cli.attack"))
def attack(
    run: RunArgument,
    inputs: Inputs,
    size: Annotated[float, typer.Option(min=0.001, max=1.0, help=say("cli.attack_size"))] = 0.03,
    target: Annotated[str | None, typer.Option(metavar="CLASS", help=say("cli.attack_target"))] = None,
    limit: Annotated[int | None, typer.Option(min=1, help=say("cli.limit"))] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FOLDER", help=say("cli.explain_out"))] = None,
    as_json: Json = False,
) -> None:
    from capas.cli import why_verbs

    why_verbs.attack(run, inputs, size=size, target=target, limit=limit, out=out, as_json=as_json)


@app.command(help=say("cli.networks"))
def networks(as_json: Json = False) -> None:
    from capas.cli import about_verbs

    about_verbs.networks(as_json)


@app.command(help=say("cli.samples"))
def samples(
    name: Annotated[str | None, typer.Argument(help=say("cli.sample_name"), show_default=False)] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", metavar="FOLDER", help=say("cli.sample_out"))] = None,
    as_json: Json = False,
) -> None:
    from capas.cli import about_verbs

    about_verbs.samples(name, out, as_json)


@app.command(help=say("cli.check"))
def check(as_json: Json = False) -> None:
    from capas.cli import about_verbs

    about_verbs.check(as_json)


board = typer.Typer(help=say("cli.board"), invoke_without_command=True)
app.add_typer(board, name="board")
Ids = Annotated[list[str], typer.Argument(metavar="ID", help=say("cli.board_ids"), show_default=False)]


@board.callback()
@no_type_check  # while tests check types: what typer passes is a Context, though not its own typer.Context
def board_default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        board_show()


@board.command("show", help=say("cli.board_show"))
def board_show(
    task: Annotated[str | None, typer.Option(help=say("cli.board_task"))] = None,
    data: Annotated[str | None, typer.Option(help=say("cli.board_data"))] = None,
    metric: Annotated[str | None, typer.Option(help=say("cli.board_metric"))] = None,
    every: Annotated[bool, typer.Option("--all", help=say("cli.board_all"))] = False,
    as_json: Json = False,
) -> None:
    from capas.cli import board_verbs

    board_verbs.show_board(task, data, metric, every, as_json)


@board.command("compare", help=say("cli.board_compare"))
def board_compare(ids: Ids, as_json: Json = False) -> None:
    from capas.cli import board_verbs

    board_verbs.compare(ids, as_json)


@board.command("add", help=say("cli.board_add"))
def board_add(run: RunArgument, as_json: Json = False) -> None:
    from capas.cli import board_verbs

    board_verbs.add(run, as_json)


@board.command("export", help=say("cli.board_export"))
def board_export(
    path: Annotated[str, typer.Argument(metavar="FILE", help=say("cli.board_file"), show_default=False)],
    as_json: Json = False,
) -> None:
    from capas.cli import board_verbs

    board_verbs.export(path, as_json)


@board.command("import", help=say("cli.board_import"))
def board_import(
    path: Annotated[str, typer.Argument(metavar="FILE", help=say("cli.board_file"), show_default=False)],
    as_json: Json = False,
) -> None:
    from capas.cli import board_verbs

    board_verbs.import_(path, as_json)


@board.command("remove", help=say("cli.board_remove"))
def board_remove(ids: Ids, as_json: Json = False) -> None:
    from capas.cli import board_verbs

    board_verbs.remove(ids, as_json)


IgnoreCase = Annotated[bool, typer.Option("--ignore-case", help=say("cli.score_ignore_case"))]
IgnorePunctuation = Annotated[bool, typer.Option("--ignore-punctuation", help=say("cli.score_ignore_punctuation"))]
IgnoreDiacritics = Annotated[bool, typer.Option("--ignore-diacritics", help=say("cli.score_ignore_diacritics"))]
Fillers = Annotated[str | None, typer.Option(metavar="UH,UM", help=say("cli.score_fillers"))]
Glm = Annotated[str | None, typer.Option(metavar="FILE", help=say("cli.score_glm"))]
WithIds = Annotated[bool, typer.Option("--ids", help=say("cli.score_ids"))]
Collar = Annotated[float | None, typer.Option(metavar="SECONDS", help=say("cli.score_collar"))]
SkipOverlap = Annotated[bool, typer.Option("--skip-overlap", help=say("cli.score_skip_overlap"))]
Uem = Annotated[str | None, typer.Option(metavar="FILE", help=say("cli.score_uem"))]
Match = Annotated[str | None, typer.Option(metavar="midpoint|overlap|iou", help=say("cli.score_match"))]
Tolerance = Annotated[float | None, typer.Option(metavar="SECONDS", help=say("cli.score_tolerance"))]
LeastIou = Annotated[float | None, typer.Option("--iou", metavar="0.5", help=say("cli.score_iou"))]
Trials = Annotated[float | None, typer.Option(metavar="N", help=say("cli.score_trials"))]
Threshold = Annotated[float | None, typer.Option(metavar="SCORE", help=say("cli.score_threshold"))]
Beta = Annotated[float | None, typer.Option(metavar="999.9", help=say("cli.score_beta"))]
Ignore = Annotated[int | None, typer.Option("--ignore", metavar="255", help=say("cli.score_ignore"))]
Reference = Annotated[str, typer.Argument(metavar="REFERENCE", help=say("cli.score_reference"), show_default=False)]
Hypothesis = Annotated[str, typer.Argument(metavar="HYPOTHESIS", help=say("cli.score_hypothesis"), show_default=False)]


@app.command(help=say("cli.score"))
def score(
    task: Annotated[str, typer.Argument(metavar="TASK", help=say("cli.score_task"), show_default=False)],
    reference: Reference,
    hypothesis: Hypothesis,
    against: Annotated[str | None, typer.Option(metavar="HYPOTHESIS", help=say("cli.score_against"))] = None,
    ignore_case: IgnoreCase = False,
    ignore_punctuation: IgnorePunctuation = False,
    ignore_diacritics: IgnoreDiacritics = False,
    fillers: Fillers = None,
    glm: Glm = None,
    ids: WithIds = False,
    collar: Collar = None,
    skip_overlap: SkipOverlap = False,
    uem: Uem = None,
    match: Match = None,
    tolerance: Tolerance = None,
    iou: LeastIou = None,
    trials: Trials = None,
    threshold: Threshold = None,
    beta: Beta = None,
    ignore: Ignore = None,
    seed: Annotated[int, typer.Option(min=0, help=say("cli.score_seed"))] = 0,
    as_json: Json = False,
) -> None:
    from capas.cli import score_verbs

    options = score_verbs.given({
        "ignore_case": ignore_case, "ignore_punctuation": ignore_punctuation, "ignore_diacritics": ignore_diacritics,
        "fillers": fillers, "glm": glm, "ids": ids, "collar": collar, "skip_overlap": skip_overlap, "uem": uem,
        "match": match, "tolerance": tolerance, "iou": iou, "trials": trials, "threshold": threshold, "beta": beta,
        "ignore": ignore,
    })  # fmt: skip
    score_verbs.score(task, reference, hypothesis, against, options, seed, as_json)


challenge = typer.Typer(help=say("cli.challenge"), no_args_is_help=True)
app.add_typer(challenge, name="challenge")
ChallengeFolder = Annotated[str, typer.Argument(metavar="FOLDER", help=say("cli.challenge_folder"), show_default=False)]


@challenge.command("new", help=say("cli.challenge_new"))
def challenge_new(
    folder: ChallengeFolder,
    task: Annotated[str, typer.Option(help=say("cli.score_task"))],
    reference: Annotated[str, typer.Option(metavar="REFERENCE", help=say("cli.score_reference"))],
    title: Annotated[str, typer.Option(help=say("cli.challenge_title"))] = "",
    limit: Annotated[str | None, typer.Option(metavar="3/day|10/total", help=say("cli.challenge_limit"))] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help=say("cli.challenge_until"))] = None,
    public_share: Annotated[float, typer.Option(metavar="0.3", help=say("cli.challenge_public_share"))] = 0.0,
    ignore_case: IgnoreCase = False,
    ignore_punctuation: IgnorePunctuation = False,
    ignore_diacritics: IgnoreDiacritics = False,
    fillers: Fillers = None,
    glm: Glm = None,
    ids: WithIds = False,
    collar: Collar = None,
    skip_overlap: SkipOverlap = False,
    uem: Uem = None,
    match: Match = None,
    tolerance: Tolerance = None,
    iou: LeastIou = None,
    trials: Trials = None,
    threshold: Threshold = None,
    beta: Beta = None,
    ignore: Ignore = None,
    as_json: Json = False,
) -> None:
    from capas.cli import score_verbs

    options = score_verbs.given({
        "ignore_case": ignore_case, "ignore_punctuation": ignore_punctuation, "ignore_diacritics": ignore_diacritics,
        "fillers": fillers, "glm": glm, "ids": ids, "collar": collar, "skip_overlap": skip_overlap, "uem": uem,
        "match": match, "tolerance": tolerance, "iou": iou, "trials": trials, "threshold": threshold, "beta": beta,
        "ignore": ignore,
    })  # fmt: skip
    score_verbs.challenge_new(folder, task, reference, title, limit, until, public_share, options, as_json)


@challenge.command("submit", help=say("cli.challenge_submit"))
def challenge_submit(
    folder: ChallengeFolder,
    hypothesis: Hypothesis,
    team: Annotated[str, typer.Option(metavar="NAME", help=say("cli.challenge_team"))],
    as_json: Json = False,
) -> None:
    from capas.cli import score_verbs

    score_verbs.challenge_submit(folder, hypothesis, team, as_json)


@challenge.command("rank", help=say("cli.challenge_rank"))
def challenge_rank(
    folder: ChallengeFolder,
    html: Annotated[str | None, typer.Option(metavar="FILE", help=say("cli.challenge_html"))] = None,
    final: Annotated[bool, typer.Option("--final", help=say("cli.challenge_final"))] = False,
    as_json: Json = False,
) -> None:
    from capas.cli import score_verbs

    score_verbs.challenge_rank(folder, html, final, as_json)
