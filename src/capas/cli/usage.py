"""Wrong usage and help in the user's language: Typer decides what is wrong, Capas says it as it says every error.

Typer's own texts are English. What it offers to change them is public: the words of its panels, the help option of each
command, and ``standalone_mode=False``, which hands errors over instead of printing them.
"""

import re
import sys
from difflib import get_close_matches
from typing import Any

import typer
from typer import rich_utils
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from capas.core.errors import CapasError
from capas.core.i18n import say

UsageError: type[Exception] = typer.BadParameter.__bases__[0]  # public only through the errors that derive from it


class Verbs(TyperGroup):
    """A group that names the nearest of its commands where one is unknown."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return what Typer returns. Raises CapasError on an unknown command."""
        if args[0] in self.commands or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        near = get_close_matches(args[0], self.commands, n=3, cutoff=0.5)
        key = "usage_no_command_near" if near else "usage_no_command"
        raise CapasError(key, received=args[0], options=", ".join(near or self.commands), command=ctx.command_path)


def translated(app: typer.Typer) -> TyperCommand | TyperGroup:
    """Return the command of ``app`` with Typer's words in the user's language."""
    rich_utils.ARGUMENTS_PANEL_TITLE = say("cli.arguments")
    rich_utils.OPTIONS_PANEL_TITLE = say("cli.options")
    rich_utils.COMMANDS_PANEL_TITLE = say("cli.commands")
    rich_utils.REQUIRED_LONG_STRING = say("cli.required")
    rich_utils.DEFAULT_STRING = say("cli.default", value="{}")
    command = typer.main.get_command(app)
    assert isinstance(command, TyperCommand | TyperGroup)
    _translate(command)
    return command


def _translate(command: TyperCommand | TyperGroup) -> None:
    command.options_metavar = say("cli.options_metavar")
    helping = command.get_help_option(typer.Context(command, help_option_names=["-h", "--help"]))
    for option in [helping, *command.params]:
        if isinstance(option, TyperOption) and option.metavar is None:
            if option.is_flag:
                option.metavar = ""
            elif option.type_descriptor.annotation in (int, float, int | None):
                option.metavar = "N"
    for option in [helping, *command.params]:
        if isinstance(option, TyperOption) and option.name in ("help", "install_completion", "show_completion"):
            option.help = say(f"cli.{option.name}_option")
    if isinstance(command, TyperGroup):
        command.subcommand_metavar = say("cli.command_metavar")
        for inner in command.commands.values():
            assert isinstance(inner, TyperCommand | TyperGroup)
            _translate(inner)


def usage_mistake(error: Exception, arguments: list[str]) -> CapasError | None:
    """Return what Typer found wrong as an error of Capas; None where it only wants its help shown.

    ``arguments`` is the command line, from which the value that was received is told.
    """
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "capas"
    kind = type(error).__name__
    if kind == "NoArgsIsHelpError":
        return None
    if kind == "MissingParameter":
        return CapasError("usage_missing", received=_name(getattr(error, "param", None)), command=command)
    if kind == "NoSuchOption":
        near = getattr(error, "possibilities", None) or []
        key = "usage_no_option_near" if near else "usage_no_option"
        return CapasError(key, received=getattr(error, "option_name", ""), options=", ".join(near), command=command)
    if kind == "BadOptionUsage":
        return CapasError("usage_no_value", received=getattr(error, "option_name", ""), command=command)
    if isinstance(error, typer.BadParameter) and isinstance(parameter := error.param, TyperOption | TyperArgument):
        value = next((text for name in getattr(parameter, "opts", []) if (text := option_value(arguments, name))), "…")
        return CapasError(
            "usage_bad_value", where=_name(parameter), received=value, must=_expected(parameter), command=command
        )
    if extra := re.search(r"extra argument\(?s?\)? \((.*)\)", str(error), re.S):
        return CapasError("usage_extra", received=extra[1], command=command)
    return CapasError("usage_other", received=str(error), command=command)


def option_value(arguments: list[str], name: str) -> str | None:
    """Return what follows the option ``name``, as a word of its own or after "="."""
    for i, argument in enumerate(arguments):
        if argument == name and i + 1 < len(arguments):
            return arguments[i + 1]
        if argument.startswith(f"{name}="):
            return argument.partition("=")[2]
    return None


def refuse_empty(arguments: list[str]) -> None:
    """Raise CapasError on an empty argument: of a shell's unset variable, where "" would mean the working folder."""
    if "" in arguments:
        before = " ".join(["capas", *arguments[: arguments.index("")]])
        raise CapasError("usage_empty", where=before + ' ""')


def show_help(error: Exception) -> None:
    """Print the help of the command that was called with nothing."""
    sys.stdout.write(str(getattr(error, "message", "")))


def _name(parameter: object) -> str:
    if isinstance(parameter, TyperOption):
        return max(parameter.opts, key=len)
    return str(getattr(parameter, "metavar", None) or getattr(parameter, "name", ""))


def _expected(parameter: TyperOption | TyperArgument) -> str:
    described = parameter.type_descriptor
    if described.choices:
        return ", ".join(str(getattr(choice, "value", choice)) for choice in described.choices)
    least, most = parameter.min, parameter.max
    number = say("cli.number" if "float" in str(described.annotation) else "cli.whole_number")
    if least is None:
        return number
    return say("cli.number_from" if most is None else "cli.number_between", number=number, least=least, most=most or 0)
