"""Normalisation of transcripts by explicit rules, with abbreviations kept or expanded.

Rules are a table in a TOML file, of which some come with Capas (``page_formats/rules``):

    name = "medieval-latin"
    form = "NFC"                    # Unicode's form of the result
    replace = [
        ["ꝑ", "per"],               # in this order; the first is a regular expression
        ["([aeiou])\\u0303(?=[bmp])", "\\\\1m"],
    ]

They are applied to one word (what stands between spaces) after the other, letters and the marks above them apart (NFD),
without regard to capitals: what begins with a capital letter becomes something that does. A word stays a word, so that
what was written and what was made of it can stand beside each other; what no rule names stays as it is written.
"""

import json
import re
import unicodedata
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from capas.core.errors import CapasError
from capas.core.files import content_hash, read_regular
from capas.core.parsing import parse_toml
from capas.page_formats.page import Page

KEPT: Final = "kept"
BUILT_IN: Final = (KEPT, "castellano", "medieval-latin", "old-french")


def _compiles(pair: tuple[str, str]) -> tuple[str, str]:
    pattern, to = pair
    try:
        fits = re.compile(pattern).search("") is None
        re.sub(f"(?:{pattern})?()", to, "")
    except (re.error, IndexError) as error:
        raise ValueError(f"{pattern} → {to}: {error}") from error
    if not fits or re.search(r"\s", to):
        raise ValueError(f"{pattern} → {to}: finds nothing at all, or makes two words of one")
    return pair


class NormalisationRules(BaseModel):
    """Normalisation rules.

    Attributes:
        name: Name of the rules.
        form: Unicode form of the result.
        note: What is ambiguous, and how it is decided.
        replace: Pairs (regular expression over decomposed text, replacement), in order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    form: Literal["NFC", "NFD", "NFKC", "NFKD"] = "NFC"
    note: str = ""
    replace: tuple[Annotated[tuple[str, str], AfterValidator(_compiles)], ...] = ()

    @property
    def hash(self) -> str:
        """BLAKE2b-128 of what the rules do; their name does not count."""
        return content_hash(json.dumps([self.form, self.replace]).encode())

    @property
    def description(self) -> str:
        """Name and hash, for the provenance of a file."""
        return f"{self.name} ({self.hash})"

    def as_toml(self) -> str:
        """Return the rules as a TOML file."""
        # A string or a list of JSON is one of TOML too.
        told = {name: json.dumps(value, ensure_ascii=False) for name, value in self.model_dump(mode="json").items()}
        return "".join(f"{name} = {value}\n" for name, value in told.items())

    def apply(self, text: str) -> str:
        """Return ``text`` with each of its words normalised; the spaces stay.

        >>> load_rules("medieval-latin").apply("ꝑ omnia  secula ſeculorũ")
        'per omnia  secula seculorum'
        """
        return re.sub(r"\S+", lambda word: self._word(word[0]), text)

    def _word(self, word: str) -> str:
        word = unicodedata.normalize("NFD", word)
        for pattern, to in self.replace:
            word = re.sub(pattern, lambda found, to=to: _like(found, to), word, flags=re.IGNORECASE)  # type: ignore[misc]
        return unicodedata.normalize(self.form, word)


def _like(found: re.Match[str], to: str) -> str:
    put = found.expand(to)
    return put[:1].upper() + put[1:] if found[0][:1].isupper() else put


def load_rules(name: str) -> NormalisationRules:
    """Load rules by the name of a built-in table or of a TOML file.

    Raises CapasError ``rules_unknown`` or ``rules_broken``.
    """
    if name == KEPT:
        return NormalisationRules(name=KEPT)
    if name in BUILT_IN:
        return _read(files("capas.page_formats").joinpath("rules", f"{name}.toml").read_text(encoding="utf-8"), name)
    if not Path(name).is_file():
        raise CapasError("rules_unknown", received=name, known=", ".join(BUILT_IN))
    try:
        return _read(read_regular(Path(name)).decode("utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        raise CapasError("rules_broken", where=name, received=str(error)) from error


def _read(content: str, where: str) -> NormalisationRules:
    try:
        return NormalisationRules.model_validate(parse_toml(content))
    except ValidationError as error:
        first = error.errors()[0]
        received = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        raise CapasError("rules_broken", where=where, received=received) from error
    except ValueError as error:
        raise CapasError("rules_broken", where=where, received=str(error)) from error


def normalise_page(page: Page, rules: NormalisationRules) -> Page:
    """Return ``page`` with the text of its lines and words normalised; the text before is in ``original_text``."""
    lines = tuple(
        replace(
            line, text=text, original_text=line.text if text != unicodedata.normalize("NFC", line.text) else "",
            words=tuple(replace(word, text=rules.apply(word.text)) for word in line.words),
        )
        for line in page.lines for text in [rules.apply(line.text)]
    )  # fmt: skip
    return replace(page, lines=lines)
