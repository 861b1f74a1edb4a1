"""The verbs below ``capas board``. Their implementations are imported when they are called."""

from typing import Annotated, no_type_check

import typer

from capas.cli.options import Json, RunArgument
from capas.cli.usage import Verbs
from capas.core.i18n import say

board = typer.Typer(cls=Verbs, help=say("cli.board"), invoke_without_command=True)
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
