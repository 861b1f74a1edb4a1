"""``capas score`` and the verbs below ``capas challenge``. Their implementations are imported when they are called."""

from typing import Annotated

import typer

from capas.cli.options import Json
from capas.cli.usage import Verbs
from capas.core.i18n import say

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


challenge = typer.Typer(cls=Verbs, help=say("cli.challenge"), no_args_is_help=True)
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
