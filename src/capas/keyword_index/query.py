"""The query language, parsed to a tree.

casa                one word, in all its historical spellings where folds are on
cas* c?sa           any letters, one letter
cabeza~1            up to one letter inserted, dropped or replaced; ~2 and ~3 likewise, fewer than the word has letters
"juan de dios"      words that follow one another in a line
rey reino           both; the same as rey AND reino
rey OR reyna        either
rey NOT reino       the first without the second
(…)                 grouping; AND binds more tightly than OR

Punctuation separates words, as it does where they are indexed: d'amour is "d amour", ¡rey! is rey.
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.keyword_index.characters import is_combining_mark, is_word_character

MAX_EDITS: Final = 3
MAX_WORDS: Final = 100  # each costs a look into the index, one with * or ~ a walk over its words
MAX_DEPTH: Final = 50  # parentheses within each other: far more than anyone means, far less than Python's stack holds
WILDCARDS: Final = "*?"
_TOKEN: Final = re.compile(r'\s*(?:(?P<mark>[()])|(?P<quote>"[^"]*"?)|(?P<word>[^\s()"]+))')
_EDITS: Final = re.compile(r"(?P<text>.*)~(?P<edits>[0-9]+)")
_OPERATORS: Final = ("AND", "OR", "NOT")


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """One word, perhaps with * and ?, or within ``edits`` edit operations."""

    text: str
    edits: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Phrase:
    """Words that follow one another."""

    terms: tuple[Term, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class And:
    """Every one of ``parts`` and none of ``without``."""

    parts: "tuple[Query, ...]"
    without: "tuple[Query, ...]" = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Or:
    """At least one of ``parts``."""

    parts: "tuple[Query, ...]"


Query = Term | Phrase | And | Or


@dataclass(frozen=True, kw_only=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse_query(text: str) -> Query:
    """Parse a query. Raises CapasError ``query_wrong`` with the position, counted from 1.

    >>> parse_query('rey OR "juan de"')
    Or(parts=(Term(text='rey', edits=0), Phrase(terms=(Term(text='juan', edits=0), Term(text='de', edits=0)))))
    """
    parser = _Parser(unicodedata.normalize("NFC", text))
    tree = parser.either()
    if parser.now.kind != "end":
        raise parser.wrong(say("query.not_opened"))
    return tree


class _Parser:
    """Recursive descent; a method per rule, each leaving ``now`` at what follows."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth, self.count = text, 0, 0, 0
        self.tokens = [*_tokens(text), _Token(kind="end", text="", at=len(text))]

    @property
    def now(self) -> _Token:
        return self.tokens[self.at]

    def either(self) -> Query:
        parts = [self.together()]
        while self.now.kind == "OR":
            self.at += 1
            parts.append(self.together())
        parts = list(dict.fromkeys(parts))
        return parts[0] if len(parts) == 1 else Or(parts=tuple(parts))

    def together(self) -> Query:
        start = self.now
        wanted: list[Query] = []
        without: list[Query] = []
        while True:
            refused = self.now.kind == "NOT"
            if refused:
                self.at += 1
            (without if refused else wanted).append(self.single())
            if self.now.kind == "AND":
                self.at += 1
            elif self.now.kind not in ("NOT", "(", "quote", "word"):
                break
        if not wanted:
            raise self.wrong(say("query.only_not"), start)
        # What is asked for twice is no more to be found than once.
        parts = tuple(dict.fromkeys(wanted))
        return parts[0] if len(parts) == 1 and not without else And(parts=parts, without=tuple(dict.fromkeys(without)))

    def single(self) -> Query:
        token = self.now
        if token.kind not in ("(", "quote", "word"):
            raise self.wrong(say("query.word_missing"))
        self.at += 1
        if token.kind == "(":
            return self.group(token)
        return self.phrase(token) if token.kind == "quote" else _sequence(self.terms(token))

    def group(self, token: _Token) -> Query:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.wrong(say("query.too_deep", most=MAX_DEPTH), token)
        inner = self.either()
        if self.now.kind != ")":
            raise self.wrong(say("query.not_closed"), token)
        self.at += 1
        self.depth -= 1
        return inner

    def phrase(self, token: _Token) -> Query:
        if len(token.text) < 2 or not token.text.endswith('"'):
            raise self.wrong(say("query.quote_open"), token)
        found = re.finditer(r"\S+", token.text[1:-1])
        words = [_Token(kind="word", text=m.group(), at=token.at + 1 + m.start()) for m in found]
        if not words:
            raise self.wrong(say("query.word_missing"), token)
        return _sequence([term for word in words for term in self.terms(word)])

    def terms(self, token: _Token) -> list[Term]:
        """The words between punctuation; edits count in the last of them."""
        parts = _EDITS.fullmatch(token.text)
        # No number of two digits is allowed, and converting one of thousands is work.
        text, edits = (parts["text"], int(parts["edits"][:2])) if parts else (token.text, 0)
        words = _words(text)
        self.count += len(words)
        if self.count > MAX_WORDS:
            raise self.wrong(say("query.too_many", most=MAX_WORDS), token)
        if not words:
            raise self.wrong(say("query.no_letter"), token)
        if "~" in text or edits > MAX_EDITS or (edits and set(words[-1]) & set(WILDCARDS)):
            raise self.wrong(say("query.edits", most=MAX_EDITS), token)
        if edits >= len(words[-1]):  # every short word would do
            raise self.wrong(say("query.too_short", edits=edits), token)
        terms = [Term(text=word) for word in words]
        return [*terms[:-1], replace(terms[-1], edits=edits)]

    def wrong(self, reason: str, token: _Token | None = None) -> CapasError:
        place = token or self.now
        return CapasError("query_wrong", where=self.text, received=place.text, place=place.at + 1, reason=reason)


def _words(text: str) -> list[str]:
    """The stretches of letters and wildcards that hold a letter."""
    runs = (
        "".join(run) for inside, run in groupby(text, key=lambda c: is_word_character(c) or c in WILDCARDS) if inside
    )
    return [run for run in runs if any(is_word_character(c) and not is_combining_mark(c) for c in run)]


def _sequence(terms: list[Term]) -> Query:
    return terms[0] if len(terms) == 1 else Phrase(terms=tuple(terms))


def _tokens(text: str) -> list[_Token]:
    tokens = []
    for match in _TOKEN.finditer(text.rstrip()):
        kind = str(match.lastgroup)
        found = match[kind]
        named = found if kind == "mark" or found in _OPERATORS else kind
        tokens.append(_Token(kind=named, text=found, at=match.start(kind)))
    return tokens
