"""Arguments and options that several verbs share."""

from enum import StrEnum
from typing import Annotated

import typer

from capas.core.i18n import say


def complete_data(incomplete: str) -> list[str]:
    """Return samples and files, for tab completion."""
    from capas.cli.complete import data

    return data(incomplete)


def complete_networks(incomplete: str) -> list[str]:
    """Return names of networks, for tab completion."""
    from capas.cli.complete import networks

    return networks(incomplete)


def complete_runs(incomplete: str) -> list[str]:
    """Return run folders, for tab completion."""
    from capas.cli.complete import runs

    return runs(incomplete)


def complete_indexes(incomplete: str) -> list[str]:
    """Return similarity indexes, for tab completion."""
    from capas.cli.complete import indexes

    return indexes(incomplete)


class Level(StrEnum):
    """Depth of a trust report."""

    QUICK = "quick"
    STANDARD = "standard"
    DEEP = "deep"


class CsvForm(StrEnum):
    """The forms of CSV."""

    STANDARD = "standard"
    EXCEL_ES = "excel-es"


class ReportOption(StrEnum):
    """Depth of the trust report after training, or none."""

    NONE = "none"
    QUICK = "quick"
    STANDARD = "standard"
    DEEP = "deep"


class SamplerOption(StrEnum):
    """The samplers of diffusion."""

    DDIM = "ddim"
    DDPM = "ddpm"
    HEUN = "heun"
    DPM_SOLVER = "dpm-solver"


Data = Annotated[
    str, typer.Argument(metavar="DATA", help=say("cli.data"), autocompletion=complete_data, show_default=False)
]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help=say("cli.run"), autocompletion=complete_runs, show_default=False)
]
RunArguments = Annotated[
    list[str], typer.Argument(metavar="RUN", help=say("cli.run"), autocompletion=complete_runs, show_default=False)
]
Inputs = Annotated[list[str], typer.Argument(metavar="INPUT…", help=say("cli.inputs"), show_default=False)]
Json = Annotated[bool, typer.Option("--json", help=say("cli.json"))]
Task = Annotated[str | None, typer.Option(help=say("cli.task"))]
Target = Annotated[str | None, typer.Option("--target", "--condition", metavar="COLUMN", help=say("cli.target"))]
Sheet = Annotated[str | None, typer.Option(metavar="NAME", help=say("cli.sheet"))]
Group = Annotated[str | None, typer.Option(metavar="COLUMN", help=say("cli.group"))]
NetworkOption = Annotated[
    str | None, typer.Option(metavar="NAME", help=say("cli.network"), autocompletion=complete_networks)
]
Time = Annotated[str | None, typer.Option(metavar="10m", help=say("cli.time"))]
Seed = Annotated[int | None, typer.Option(min=0, help=say("cli.seed"))]
Method = Annotated[str | None, typer.Option(metavar="NAME", help=say("method.option"))]
Unlabelled = Annotated[str | None, typer.Option(metavar="FOLDER", help=say("method.option_unlabelled"))]
InitFrom = Annotated[
    str | None, typer.Option("--init-from", metavar="RUN", help=say("cli.init_from"), autocompletion=complete_runs)
]
AugmentWith = Annotated[
    str | None,
    typer.Option("--augment-with", metavar="RUN", help=say("generated.option"), autocompletion=complete_runs),
]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help=say("cli.set"))]
Out = Annotated[str | None, typer.Option("--out", "-o", metavar="PATH", help=say("cli.out"))]

# Of verbs that draw.
Count = Annotated[int, typer.Option("--count", "-n", min=1, max=1_000_000, help=say("generate.count"))]
Condition = Annotated[
    list[str] | None, typer.Option("--condition", "--class", metavar="CLASS", help=say("generate.condition"))
]
Prompt = Annotated[list[str] | None, typer.Option(metavar="TEXT", help=say("generate.prompt"))]
Steps = Annotated[int | None, typer.Option(min=1, max=1_000, help=say("generate.steps"))]
Sampler = Annotated[SamplerOption | None, typer.Option(help=say("generate.sampler"))]
Guidance = Annotated[float | None, typer.Option(min=0, max=100, help=say("generate.guidance"))]
Truncation = Annotated[float | None, typer.Option(min=0, max=1, help=say("generate.truncation"))]
SampleSeed = Annotated[int, typer.Option("--seed", min=0, help=say("generate.seed"))]
SampleFolder = Annotated[str, typer.Option("--out", "-o", metavar="FOLDER", help=say("generate.out"))]
