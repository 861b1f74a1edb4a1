"""Message catalogues in Spanish and English.

Each language is a folder of TOML files, one per area; ``say("look.title")`` finds the text in the current language:
``--lang``, else ``CAPAS_LANG``, else the locale (``LC_ALL``, ``LC_MESSAGES``, ``LANG``), else English. A test walks the
sources and fails when a key that they use is missing in a language, or when the placeholders differ.
"""

import os
import tomllib
from contextvars import ContextVar
from functools import cache
from pathlib import Path

Value = str | int | float | Path

LANGUAGES = ("en", "es")
_chosen: ContextVar[str | None] = ContextVar("capas_language", default=None)


def choose_language(language: str | None) -> None:
    """Set the language of this process; None goes back to the environment's. Raises ValueError on an unknown one."""
    if language is not None and language not in LANGUAGES:
        raise ValueError(f"language is {language!r}; expected one of {', '.join(LANGUAGES)}")
    _chosen.set(language)


def language() -> str:
    """Return the current language, "en" or "es"."""
    chosen = _chosen.get()
    if chosen:
        return chosen
    for variable in ("CAPAS_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable, ""):
            return "es" if value.lower().startswith("es") else "en"
    return "en"


@cache
def catalogue(language: str) -> dict[str, str]:
    """Return all texts of one language, flat: ``{"look.title": "…"}``."""
    texts: dict[str, str] = {}
    for file in sorted((Path(__file__).parent / language).glob("*.toml")):
        texts.update(_flatten(tomllib.loads(file.read_text(encoding="utf-8"))))
    return texts


def has(key: str) -> bool:
    """Return whether the catalogues hold this key."""
    return key in catalogue("en")


def say(key: str, **values: Value) -> str:
    """Return the text for ``key`` with its placeholders filled. Raises KeyError on a missing key."""
    return catalogue(language())[key].format(**values)


def _flatten(tree: dict[str, object], prefix: str = "") -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            texts.update(_flatten(value, f"{prefix}{name}."))
        else:
            texts[prefix + name] = str(value)
    return texts
