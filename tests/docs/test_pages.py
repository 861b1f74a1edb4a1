"""The pages speak of the program as it is: every problem and error is explained, and none that does not exist."""

import re
from pathlib import Path

from capas.cli.app import app
from capas.core.i18n import catalogue
from capas.data.sources.samples import SAMPLES

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")}
VERBS = ("look", "plan", "train", "resume", "test", "predict", "trust", "explain", "attack", "embed", "index",
         "similar", "same", "map", "generate", "complete", "interpolate", "edit", "board", "score",
         "challenge", "archive", "export", "samples", "networks", "doctor")  # fmt: skip

PAGE_OF = {"index": "similar"}  # verbs that stand on the page of another
SHARED = ("train.md", "score.md")  # where options stand that several verbs have


def kinds(section: str) -> set[str]:
    """The middle names of the keys ``section.NAME.what``."""
    keys = (key.split(".") for key in catalogue("en"))
    return {key[1] for key in keys if key[0] == section and key[2:] == ["what"]}


def named(page: str) -> set[str]:
    """What stands in the first cell of the tables of a page, between backticks."""
    first = [line.split(" | ")[0] for line in PAGES[page].splitlines() if line.startswith("| `")]
    return {name for cell in first for name in re.findall(r"`([a-z_]+)`", cell)}


def test_every_problem_is_explained() -> None:
    assert kinds("problems") == named("data.md")


def test_no_page_speaks_of_an_error_that_does_not_exist() -> None:
    for verb in VERBS:
        refusals = PAGES[f"{PAGE_OF.get(verb, verb)}.md"].partition("## When it refuses")[2]
        first = [line.split(" | ")[0] for line in refusals.splitlines() if line.startswith("| `")]
        spoken = {name for cell in first for name in re.findall(r"`([a-z_]+)`", cell)} - {"error"}
        assert spoken <= kinds("errors"), verb


def test_every_verb_has_a_page_that_names_its_options() -> None:
    from typer.main import get_command

    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert set(commands) == set(VERBS)
    for verb, command in commands.items():
        inner, own = getattr(command, "commands", {}), f"{PAGE_OF.get(verb, verb)}.md"
        for parameter in [parameter for each in (command, *inner.values()) for parameter in each.params]:
            longest = max(parameter.opts, key=len)
            if longest.startswith("--") and longest != "--help":
                assert any(longest in PAGES[page] for page in (own, *SHARED)), f"{verb} {longest}"
        spoken = PAGES[own]
        assert all(f"capas {verb} {name}" in spoken or f"capas {verb} [{name}]" in spoken for name in inner), verb


def test_every_sample_is_named() -> None:
    assert all(f"`{name}`" in PAGES["samples.md"] for name in SAMPLES)
