"""Comparison and sorting of names: accents, split names in English and Spanish, natural order."""

import re
import unicodedata
from typing import Final, Literal

SplitName = Literal["train", "validation", "test"]
_SPLITS: Final[dict[str, SplitName]] = {
    "train": "train", "training": "train", "entrenamiento": "train", "entreno": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "validacion": "validation",
    "dev": "validation",
    "test": "test", "testing": "test", "prueba": "test", "pruebas": "test",
}  # fmt: skip


def normalise_name(text: str) -> str:
    """Return ``text`` in lower case without accents, for comparing names.

    >>> normalise_name("Validación")
    'validacion'
    """
    decomposed = unicodedata.normalize("NFD", text.casefold().strip())
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def split_from_name(name: str) -> SplitName | None:
    """Return the split that a folder or a cell names, in English or Spanish; None where it names none."""
    return _SPLITS.get(normalise_name(name))


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key under which "2" stands before "10"; equal only for equal texts.

    >>> sorted(["p10", "p2", "P1"], key=natural_key)
    ['P1', 'p2', 'p10']
    """
    parts = re.split(r"([0-9]{1,18})", text.casefold())
    return (
        *((1, int(part), "") if part.isdecimal() else (2, 0, part) for part in parts if part),
        (0, 0, text),
    )
