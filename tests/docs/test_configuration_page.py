"""The pages that scripts make are what those scripts make now."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from capas.engine.config import known_keys

DOCS = Path(__file__).parents[2] / "docs"


def maker(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["make_configuration", "make_errors", "make_report_schema"])
def test_the_page_is_up_to_date(name: str) -> None:
    module = maker(name)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), f"run: python docs/{name}.py"


def test_every_key_stands_on_the_page_with_a_meaning() -> None:
    keys = maker("make_configuration").page().partition("## How `auto`")[0]
    rows = [line.split(" | ") for line in keys.splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows] == [f"| `{key.partition('.')[2]}`" for key in known_keys()]
    assert all(row[3].removesuffix(" |").strip() for row in rows)
