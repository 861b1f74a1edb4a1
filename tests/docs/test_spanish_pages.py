"""Every page for users is in Spanish too: the same parts, options, errors and examples; its terminals speak Spanish."""

import doctest
import re
from pathlib import Path

import pytest

from capas.core.i18n import catalogue

DOCS = Path(__file__).parents[2] / "docs"
ENGLISH_ONLY = {"configuration", "errors", "log"}
PAGES = sorted(path.stem for path in DOCS.glob("*.md") if "." not in path.stem and path.stem not in ENGLISH_ONLY)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def both(page: str) -> tuple[str, str]:
    """The English page and the Spanish one."""
    english, spanish = (DOCS / f"{page}.md", DOCS / f"{page}.es.md")
    return english.read_text(encoding="utf-8"), spanish.read_text(encoding="utf-8")


def spoken(text: str) -> str:
    """``text`` without what stands in fences."""
    return FENCED.sub("", text)


def commands(text: str) -> list[str]:
    """The verb, or the program, of each example."""
    lines = [line for block in CONSOLE.findall(text) for line in block.splitlines() if line.startswith("$ ")]
    return [" ".join(re.findall(r"[a-z]+", line)[: 2 if line.startswith("$ capas") else 1]) for line in lines]


def keys(text: str) -> set[str]:
    """Names of problems, errors and keys: what stands in backticks at the beginning of a table's row."""
    first = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `")]
    return {name for cell in first for name in re.findall(r"`([a-z_]+)`", cell)}


@pytest.mark.parametrize("page", PAGES)
def test_the_two_pages_have_the_same_parts(page: str) -> None:
    english, spanish = both(page)
    levels = [re.findall(r"^#+", spoken(text), re.MULTILINE) for text in (english, spanish)]
    assert levels[0] == levels[1]
    assert keys(english) == keys(spanish)
    assert set(re.findall(r"--[a-z-]{2,}", spoken(english))) == set(re.findall(r"--[a-z-]{2,}", spoken(spanish)))


@pytest.mark.parametrize("page", PAGES)
def test_the_two_pages_have_the_same_examples(page: str) -> None:
    english, spanish = both(page)
    assert commands(english) == commands(spanish)


def test_the_python_examples_are_those_that_are_run_from_the_english_page() -> None:
    parser = doctest.DocTestParser()
    english, spanish = ([(each.source, each.want) for each in parser.get_examples(text)] for text in both("python"))
    assert english == spanish


@pytest.mark.parametrize("page", PAGES)
def test_links_stay_in_spanish(page: str) -> None:
    leaving = re.findall(r"\]\(([a-z-]+)\.md", both(page)[1])
    assert not [link for link in leaving if link not in ENGLISH_ONLY]


@pytest.mark.parametrize("page", PAGES)
def test_its_terminals_speak_spanish(page: str) -> None:
    shown = re.sub(r"  # .*", "", "\n".join(CONSOLE.findall(both(page)[1])))  # comments of a plan are English
    said = {key: text for key, text in catalogue("en").items() if len(text) > 12 and "{" not in text}
    spanish = catalogue("es")
    assert "Traceback" not in shown
    assert not [text for key, text in said.items() if text != spanish[key] and text in shown]


@pytest.mark.parametrize("page", PAGES)
def test_refusals_are_those_of_the_catalogue(page: str) -> None:
    refusals = [text for key, text in catalogue("es").items() if re.fullmatch(r"errors\.\w+\.what", key)]
    known = [re.compile(re.sub(r"\\{\w+\\}", ".*", re.escape(text))) for text in refusals]
    shown = [line for block in CONSOLE.findall(both(page)[1]) for line in block.splitlines()]
    said = [line.removeprefix("✗ ") for line in shown if line.startswith("✗ ") and len(line) < 95]
    questions = {text for key, text in catalogue("es").items() if key.startswith("trust.")}
    said = [line for line in said if not any(line.startswith(question) for question in questions)]
    assert not [line for line in said if not any(pattern.match(line) for pattern in known)]
