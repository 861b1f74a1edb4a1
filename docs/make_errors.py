"""Writes ``errors.md`` from the message catalogue: ``python docs/make_errors.py``."""

import re
from pathlib import Path

from capas.core.i18n import catalogue

PAGE = Path(__file__).parent / "errors.md"
HEAD = """# Errors

A mistake that the user can mend ends in exit code 2 and one message: what, where, what was expected, what to do next.
With `--json` it is an object with `error`, `what`, `where`, `received`, `expected` and `next`; `error` is one of the
names below and stays the same in every language. A fault of the program ends in exit code 1 and a traceback. Ctrl-C
during a training ends in 130. In Python the same is `capas.CapasError` with its `key`.

*This page is made from the program's own messages by `docs/make_errors.py`; a test compares the two.*

| `error` | what it says | what to do |
|---|---|---|
"""


def page() -> str:
    """The whole page."""
    texts = catalogue("en")
    names = sorted(key.split(".")[1] for key in texts if re.fullmatch(r"errors\.\w+\.what", key))
    rows = [f"| `{name}` | {_cell(texts[f'errors.{name}.what'])} | {_next(texts, name)} |" for name in names]
    return HEAD + "\n".join(rows) + "\n"


def _next(texts: dict[str, str], name: str) -> str:
    return _cell(texts.get(f"errors.{name}.next", ""))


def _cell(text: str) -> str:
    """A message in a table, with … for what is filled in."""
    filled = re.sub(r"\{\w+\}", "…", text)
    return filled.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;").replace("*", "\\*")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
