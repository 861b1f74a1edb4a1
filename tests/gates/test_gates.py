"""Gates of our own: names that stand for one thing, rooms that are not crowded, and the test of messages, which fails
on one violation made by hand. Style, types, layers and docs are checked once, by ``make test`` itself.
"""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import capas
from capas.core.i18n import LANGUAGES, catalogue
from tests.core import test_i18n as messages

PACKAGE = Path(capas.__file__).parent
MAX_MODULES = 20
# A verb has one name: in the command line, in Python and where it is done.
VERBS = ("cli", "api.py")
# Every recipe's folder has these.
BY_CONVENTION = {"resolve_defaults", "build_network"}


def names_defined_twice(package: Path) -> dict[str, list[str]]:
    """Public classes and functions of more than one module, with these modules."""
    defined = defaultdict(list)
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package)
        if place.parts[0] not in VERBS:
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                    defined[node.name].append(place.as_posix())
    return {name: places for name, places in defined.items() if len(places) > 1 and name not in BY_CONVENTION}


def crowded(package: Path) -> dict[str, int]:
    """Folders with more modules side by side than one can find one's way among."""
    counts = {
        folder: sum(path.name != "__init__.py" for path in folder.glob("*.py"))
        for folder in {path.parent for path in package.rglob("*.py")}
    }
    return {str(folder): count for folder, count in counts.items() if count > MAX_MODULES}


def test_no_public_name_stands_for_two_things() -> None:
    assert names_defined_twice(PACKAGE) == {}


def test_no_package_is_crowded() -> None:
    assert crowded(PACKAGE) == {}


def test_these_two_find_a_violation(tmp_path: Path) -> None:
    for number in range(MAX_MODULES + 1):
        (tmp_path / f"a{number}.py").write_text("class Line: ...\n" if number < 2 else "", encoding="utf-8")
    assert names_defined_twice(tmp_path) == {"Line": ["a0.py", "a1.py"]}
    assert crowded(tmp_path) == {str(tmp_path): MAX_MODULES + 1}


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
