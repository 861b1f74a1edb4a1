"""Text normalisation before scoring: by default none but NFC; each further rule is opted into.

Both sides are brought to NFC (one code for "é", however it was typed), and then, in this order: contractions (a file of
two columns, as NIST's GLM), case, punctuation, diacritics, fillers. Numbers are left as they are.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from capas.core.errors import CapasError
from capas.evaluation.table_files import read_text_file

_APOSTROPHES = {"’": "'", "ʼ": "'"}
_INNER = "'-.,:/"


@dataclass(frozen=True, kw_only=True, slots=True)
class TextNormalisation:
    """The normalisation rules.

    Attributes:
        ignore_case: Whether case is dropped.
        ignore_punctuation: Whether punctuation is dropped.
        ignore_diacritics: Whether diacritics are dropped.
        fillers: Words that are dropped.
        rewrites: Word sequences and their replacements, the longest first.
    """

    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore_diacritics: bool = False
    fillers: frozenset[str] = frozenset()
    rewrites: Mapping[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)


def normalise_text(text: str, writing: TextNormalisation) -> str:
    """Return ``text`` as it is compared.

    >>> normalise_text("«¡Año 3.5!», dijo Ana's…", TextNormalisation(ignore_case=True, ignore_punctuation=True))
    "año 3.5 dijo ana's"
    """
    text = unicodedata.normalize("NFC", text).strip()
    if writing.rewrites:
        text = " ".join(_rewritten(text.split(), writing))
    text = _plain(text, writing)
    if writing.fillers:
        fillers = {_plain(word, writing) for word in writing.fillers}
        text = " ".join(word for word in text.split() if word not in fillers)
    return text


def _plain(text: str, writing: TextNormalisation) -> str:
    if writing.ignore_case:
        text = text.casefold()
    if writing.ignore_punctuation:
        text = " ".join(filter(None, map(_bare, text.split())))
    if writing.ignore_diacritics:
        apart = unicodedata.normalize("NFD", text)
        text = unicodedata.normalize("NFC", "".join(c for c in apart if unicodedata.category(c) != "Mn"))
    return text


def _bare(word: str) -> str:
    # What stands between two letters or digits (don't, 3.5, well-known) is part of the word.
    word = "".join(_APOSTROPHES.get(sign, sign) for sign in word)
    kept = [
        sign for i, sign in enumerate(word)
        if unicodedata.category(sign)[0] != "P"
        or (sign in _INNER and word[i - 1 : i].isalnum() and word[i + 1 : i + 2].isalnum())
    ]  # fmt: skip
    return "".join(kept)


def _rewritten(words: Sequence[str], writing: TextNormalisation) -> list[str]:
    keys = {_key(key, writing): value for key, value in writing.rewrites.items()}
    longest = max(map(len, keys))
    found, place = list[str](), 0
    while place < len(words):
        for length in range(min(longest, len(words) - place), 0, -1):
            value = keys.get(_key(words[place : place + length], writing))
            if value is not None:
                found.extend(value)
                place += length
                break
        else:
            found.append(words[place])
            place += 1
    return found


def _key(words: Sequence[str], writing: TextNormalisation) -> tuple[str, ...]:
    return tuple(word.casefold() if writing.ignore_case else word for word in words)


def read_rewrites(path: Path) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Read a file of two columns: ``don't TAB do not``, or NIST's ``don't => do not``; ``;;`` and ``#`` begin comments.

    Raises:
        CapasError: ``score_glm`` with the line.
    """
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for number, line in enumerate(unicodedata.normalize("NFC", read_text_file(path)).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith((";;", "#", "*")):
            continue
        left, sign, right = line.partition("=>" if "=>" in line else "\t")
        right = right.partition("/ [ ]")[0]  # NIST's context marks, which allow any context
        key = tuple(left.replace("[", " ").replace("]", " ").split())
        if not sign or not key or key in found:
            raise CapasError("score_glm", where=f"{path}:{number}", received=line.strip())
        found[key] = tuple(right.replace("[", " ").replace("]", " ").replace("{", " ").replace("}", " ").split())
    return found
