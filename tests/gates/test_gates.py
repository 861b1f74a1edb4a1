"""Each gate of the project fails on one violation made by hand, and passes without it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from capas.core.i18n import LANGUAGES, catalogue
from tests.core import test_i18n as messages

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / "pyproject.toml"
CLEAN = '"""A module."""\n\nONE = 1\n'


def gate(*command: str | Path, stdin: str = "", **environment: str) -> tuple[int, str]:
    """Exit code and all output of a gate's command, run in the current (temporary) folder."""
    done = subprocess.run(
        [str(part) for part in command], env={**os.environ, **environment}, input=stdin,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def tool(name: str) -> Path:
    """A program of this environment."""
    return Path(sys.executable).parent / name


@pytest.mark.parametrize(
    ("violation", "rule"),
    [
        ("import os\n", "F401"),
        ('print("here")\n', "T201"),
        ("import pickle\n\nONE = pickle.loads(b'')\n", "S301"),
    ],
)
def test_ruff_finds_unused_imports_prints_and_pickles(violation: str, rule: str) -> None:
    check = (tool("ruff"), "check", "--config", SETTINGS, "--no-cache", "--stdin-filename", "capas.py", "-")
    assert gate(*check, stdin=CLEAN)[0] == 0
    code, said = gate(*check, stdin=violation)
    assert code == 1 and rule in said


def test_ruff_finds_what_is_not_formatted() -> None:
    check = (tool("ruff"), "format", "--check", "--config", SETTINGS, "--no-cache", "-")
    assert gate(*check, stdin=CLEAN)[0] == 0
    assert gate(*check, stdin=CLEAN + "TWO=2\n")[0] == 1


def test_mypy_finds_what_has_no_types() -> None:
    def check(program: str) -> tuple[int, str]:
        Path("snippet.py").write_text(program, encoding="utf-8")
        return gate(sys.executable, "-m", "mypy", "--config-file", SETTINGS, "--cache-dir", ".cache", "snippet.py")

    assert check(CLEAN)[0] == 0
    code, said = check("def double(x):\n    return 2 * x\n")
    assert code == 1 and "no-untyped-def" in said


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("core/errors.py", "from capas.engine import config", "capas.core.errors -> capas.engine.config"),
        ("metrics/classification.py", "import scipy", "capas.metrics.classification -> scipy"),
    ],
)
def test_import_linter_finds_an_import_upwards_and_a_foreign_one(file: str, line: str, said: str) -> None:
    package = Path("src/capas")
    shutil.copytree(ROOT / "src" / "capas", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SETTINGS, "pyproject.toml")
    with (package / file).open("a", encoding="utf-8") as stream:
        stream.write(f"\n{line}  # noqa\n")
    code, output = gate(tool("lint-imports"), "--no-cache", PYTHONPATH="src")
    assert code == 1
    assert said in " ".join(output.split())


def test_pytest_takes_a_warning_for_an_error() -> None:
    def check(line: str) -> tuple[int, str]:
        Path("test_snippet.py").write_text(f"import warnings\n\ndef test_it():\n    {line}\n", encoding="utf-8")
        here = ("--rootdir", ".", "-p", "no:cacheprovider", "-q", "test_snippet.py")
        return gate(sys.executable, "-m", "pytest", "-c", SETTINGS, *here)

    assert check("pass")[0] == 0
    code, said = check('warnings.warn("old", stacklevel=1)')
    assert code == 1 and "UserWarning: old" in said


def test_mkdocs_finds_a_broken_link() -> None:
    shutil.copytree(ROOT / "docs", "docs")
    shutil.copy(ROOT / "mkdocs.yml", "mkdocs.yml")
    with Path("docs/index.md").open("a", encoding="utf-8") as stream:
        stream.write("\n[nowhere](no-such-page.md)\n")
    code, said = gate(sys.executable, "-m", "mkdocs", "build", "--strict")
    assert code == 1 and "no-such-page.md" in said


def test_the_test_of_messages_finds_a_missing_one_and_a_wrong_placeholder(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {tongue: catalogue(tongue) for tongue in LANGUAGES}
    without = {key: text for key, text in whole["es"].items() if key != "look.title"}
    monkeypatch.setattr(messages, "catalogue", lambda tongue: without)
    with pytest.raises(AssertionError, match=r"look\.title"):
        messages.test_what_the_sources_say_is_in_the_catalogue_and_gets_its_values("es")
    for spoilt in (without, {**whole["es"], "look.title": "{folder}"}):
        both = {**whole, "es": spoilt}
        monkeypatch.setattr(messages, "catalogue", both.__getitem__)
        with pytest.raises(AssertionError):
            messages.test_the_languages_have_the_same_keys_and_placeholders()
