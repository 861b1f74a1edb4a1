"""The verbs and their options, in both languages, without the seconds that torch takes to load."""

import subprocess
import sys

import pytest
import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from capas.cli.app import app
from capas.cli.complete import SAMPLES as OFFERED
from capas.cli.complete import data, networks, runs
from capas.data.sources.samples import SAMPLES
from capas.networks.catalog import NETWORKS
from capas.version import __version__
from tests.cli.snapshot import assert_snapshot
from tests.harness import capas_apart, capas_here

GROUP = typer.main.get_command(app)
assert isinstance(GROUP, TyperGroup)
VERBS = ["look", "plan", "train", "resume", "test", "predict", "export", "trust", "explain", "attack", "embed",
         "index", "similar", "same", "map", "generate", "complete", "interpolate", "edit", "networks",
         "samples", "doctor", "score", "archive", "board", "challenge"]  # fmt: skip
GROUPS = {
    "archive": ["new", "add", "status", "read", "index", "connect", "search", "export", "serve", "review", "learn"],
    "board": ["show", "compare", "add", "export", "import", "remove"],
    "challenge": ["new", "submit", "rank"],
}
PATHS = [
    *([verb] for verb in VERBS if verb not in GROUPS),
    *([group, verb] for group, verbs in GROUPS.items() for verb in verbs),
]


def command_of(path: list[str]) -> TyperCommand:
    command: object = GROUP
    for name in path:
        assert isinstance(command, TyperGroup)
        command = command.commands[name]
    assert isinstance(command, TyperCommand)
    return command


def described(command: TyperGroup | TyperCommand) -> str:
    lines = [str(command.help)]
    for parameter in command.params:
        if isinstance(parameter, TyperOption):
            repeatable = "repeatable " if parameter.multiple else ""
            kind = "flag" if parameter.is_flag else f"{repeatable}{parameter.metavar or 'VALUE'}"
            default = "" if parameter.is_flag or parameter.default is None else f" = {parameter.default}"
            lines.append(f"{' '.join(parameter.opts)}  {kind}{default}  {parameter.help}")
        else:
            needed = "" if parameter.required else "optional "
            lines.append(f"{needed}{parameter.metavar or parameter.name}  {getattr(parameter, 'help', '')}")
    return "\n".join(lines)


def test_the_verbs_are_these() -> None:
    assert isinstance(GROUP, TyperGroup) and list(GROUP.commands) == VERBS
    assert_snapshot("options-capas", described(GROUP))


def test_the_verbs_of_each_group_are_these() -> None:
    assert isinstance(GROUP, TyperGroup)
    groups = {name: inner for name, inner in GROUP.commands.items() if isinstance(inner, TyperGroup)}
    assert {name: list(inner.commands) for name, inner in groups.items()} == GROUPS
    for name, inner in groups.items():
        assert_snapshot(f"options-{name}", described(inner))


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_the_options_of_each_verb_are_these(path: list[str]) -> None:
    assert_snapshot(f"options-{'-'.join(path)}", described(command_of(path)))


@pytest.mark.parametrize("path", [*PATHS, *([name] for name in GROUPS)], ids=" ".join)
def test_help_of_each_verb_is_shown(path: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--help", "-h"):
        said = capas_here(capsys, *path, option)
        assert said.code == 0 and f"capas {' '.join(path)}" in said.out and "--help" in said.out


def test_nothing_asked_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    said = capas_here(capsys)
    assert "Usage: capas" in said.out + said.err and said.code in (0, 2)
    assert capas_here(capsys, "--version").out == f"capas {__version__}\n"


@pytest.mark.parametrize(
    "words", [["--help"], ["train", "--help"], ["--version"], ["networks"], ["networks", "--json"]]
)
def test_help_and_lists_load_no_torch(words: list[str]) -> None:
    code = (
        "import sys; from capas.cli.main import main\n"
        f"sys.argv = ['capas', *{words!r}]\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'numpy', 'PIL', 'onnx', 'sklearn', 'scipy', 'jinja2', 'starlette', 'python_calamine',"
        " 'xlsxwriter'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_capas_loads_nothing_heavy() -> None:
    code = "import sys, capas; assert not {'torch', 'numpy'} & set(sys.modules); capas.__version__, capas.CapasError"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_groups_without_a_verb_show_help_or_what_they_hold(capsys: pytest.CaptureFixture[str]) -> None:
    said = capas_here(capsys, "challenge")
    assert "Usage: capas challenge" in said.out + said.err and said.code in (0, 2)
    assert capas_here(capsys, "board", "fly").code == 2


def test_help_is_spanish_by_variable_and_by_option() -> None:
    by_variable = capas_apart("train", "--help", env={"CAPAS_LANG": "es"})
    by_option = capas_apart("--lang", "es", "train", "--help")
    by_equals = capas_apart("--lang=es", "train", "--help")
    assert by_variable.out == by_option.out == by_equals.out and by_variable.code == 0
    assert "Opciones" in by_variable.out and "Entrenar" in by_variable.out and "Options" not in by_variable.out
    assert "Options" in capas_apart("--lang", "en", "train", "--help", env={"CAPAS_LANG": "es"}).out


@pytest.mark.parametrize(
    "words", [["fly"], ["train"], ["train", "x", "--epochs", "3"], ["look", "x", "y"], ["--lang", "fr", "look", "x"],
              ["train", "x", "--seed", "-1"], ["train", "x", "--seed", "one"], ["predict", "run"]],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    said = capas_here(capsys, *words)
    assert said.code == 2 and "Traceback" not in said.err and said.err


def test_completion_offers_what_there_is(tmp_path: object) -> None:
    assert set(OFFERED) == set(SAMPLES)
    assert networks("lenet") == [row.name for row in NETWORKS if row.name.startswith("lenet")] and networks("x") == []
    assert data("sample:s") == ["sample:shapes"] and runs("la") == ["latest"]
