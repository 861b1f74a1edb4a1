"""Expansion of a query term to the words in a store."""

import re
from collections.abc import Iterator
from itertools import takewhile

from capas.keyword_index.query import Term
from capas.keyword_index.spelling_folding import fold_prefix, fold_spelling
from capas.keyword_index.store import SpotStore


def expand_term(store: SpotStore, term: Term, *, folds: bool) -> Iterator[str]:
    """Iterate over the words that a term matches, as written.

    With ``folds`` in all their historical spellings, else exactly, case included.
    """
    text = fold_spelling(term.text) if folds else term.text
    if term.edits:
        forms = ((word, form if folds else word) for word, form in store.words("", folded=folds))
        return (word for word, form in forms if within_edit_distance(text, form, term.edits))
    if not set(term.text) & {"*", "?"}:
        # In order, so the word itself comes first, before all those that only begin like it.
        listed = ((word, form if folds else word) for word, form in store.words(text, folded=folds))
        return (word for word, _ in takewhile(lambda pair: pair[1] == text, listed))
    start, wanted = wildcard_pattern(term.text, folds=folds)
    listed = ((word, form if folds else word) for word, form in store.words(start, folded=folds))
    return (word for word, form in listed if wanted.fullmatch(form))


def wildcard_pattern(text: str, *, folds: bool) -> tuple[str, re.Pattern[str]]:
    """Return a common prefix of all words that match ``text`` with * and ?, and a pattern for their (folded) forms.

    >>> start, wanted = wildcard_pattern("c*dad", folds=True)
    >>> start, [bool(wanted.fullmatch(fold_spelling(word))) for word in ("ciudad", "caridad", "salidad")]
    ('', [True, True, False])
    """
    parts = re.split(r"([*?])", text)
    written = [{"*": ".*", "?": "."}.get(part, re.escape(part)) for part in parts]
    start = parts[0]
    if folds:
        # Behind a wildcard the letters are not the first of the word.
        known = [fold_prefix(parts[0]), *(_inside(part, last=at == len(parts) - 1) for at, part in enumerate(parts)
                                           if at and part not in ("*", "?"))]  # fmt: skip
        each = iter(known)
        written = [sign if part in ("*", "?") else f"(?:{'|'.join(next(each))})"
                   for part, sign in zip(parts, written, strict=True)]  # fmt: skip
        ends = [re.sub(r"\\(.)", r"\1", form.partition("(")[0]) for form in known[0]]
        same = takewhile(lambda letters: len(set(letters)) == 1, zip(*ends, strict=False))
        start = "".join(letters[0] for letters in same)
    return start, re.compile("".join(written))


def _inside(text: str, *, last: bool) -> tuple[str, ...]:
    forms = (re.escape(fold_spelling(f"a{text}")),) if last else fold_prefix(f"a{text}")
    return tuple(form.removeprefix("a") for form in forms)


def within_edit_distance(word: str, other: str, edits: int) -> bool:
    """Return whether the Levenshtein distance of ``word`` and ``other`` is at most ``edits``.

    By the automaton of Wu & Manber, "Fast text searching allowing errors", CACM 1992: bit i of ``reached[d]`` says that
    the first i letters of ``word`` can be what was read, with d edits.

    >>> within_edit_distance("cabeza", "cabesas", 2), within_edit_distance("cabeza", "cabesas", 1)
    (True, False)
    """
    if abs(len(word) - len(other)) > edits:
        return False
    places: dict[str, int] = {}
    for at, letter in enumerate(word):
        places[letter] = places.get(letter, 0) | 1 << at
    reached = [(1 << d + 1) - 1 for d in range(edits + 1)]
    for letter in other:
        same = places.get(letter, 0)
        former = reached[0]
        reached[0] = (former & same) << 1
        for d in range(1, edits + 1):
            before = reached[d]
            # The same letter; one inserted, or replaced, after d - 1 edits; one dropped, after d - 1 in the new state.
            reached[d] = (before & same) << 1 | former | former << 1 | reached[d - 1] << 1
            former = before
    return bool(reached[edits] >> len(word) & 1)
