"""Which of the words in a store a term of a query means."""

import re
from collections.abc import Iterator
from itertools import takewhile

from capas.search.folds import folded
from capas.search.query import Term
from capas.search.store import SpotStore


def meant(store: SpotStore, term: Term, *, folds: bool) -> Iterator[str]:
    """The words that a term stands for, as written; with ``folds`` in all their historical spellings, else letter by
    letter, capitals included."""
    text = folded(term.text) if folds else term.text
    known = (text, "") if term.edits else tuple(re.split(r"[*?]", text, maxsplit=1))
    listed = store.words("" if term.edits else known[0], folded=folds)
    forms = ((word, form if folds else word) for word, form in listed)
    if term.edits:
        return (word for word, form in forms if within(text, form, term.edits))
    if len(known) == 1:
        # In order, so the word itself comes first, before all those that only begin like it.
        return (word for word, _ in takewhile(lambda pair: pair[1] == text, forms))
    wanted = re.compile("".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in text))
    return (word for word, form in forms if wanted.fullmatch(form))


def within(word: str, other: str, edits: int) -> bool:
    """Whether ``other`` is ``word`` but for that many letters inserted, dropped or replaced (Levenshtein's distance),
    by the automaton of Wu & Manber, "Fast text searching allowing errors", CACM 1992: bit i of ``reached[d]`` says that
    the first i letters of ``word`` can be what was read, with d edits.

    >>> within("cabeza", "cabesas", 2), within("cabeza", "cabesas", 1)
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
