"""Expansion of a query term to the words in a store."""

import re
from collections.abc import Iterator
from itertools import takewhile

from rapidfuzz.distance.Levenshtein import distance as _edits

from capas.keyword_index.query import Term
from capas.keyword_index.query_limit import checked
from capas.keyword_index.spelling_folding import fold_prefix, fold_spelling
from capas.keyword_index.store import SpotStore


def expand_term(store: SpotStore, term: Term, *, folds: bool) -> Iterator[str]:
    """Iterate over the words that a term matches, as written.

    With ``folds`` in all their historical spellings, else exactly, case included.
    """
    text = fold_spelling(term.text) if folds else term.text
    if term.edits:
        forms = ((word, form if folds else word) for word, form in checked(store.words("", folded=folds)))
        return (word for word, form in forms if _edits(text, form, score_cutoff=term.edits) <= term.edits)
    if not set(term.text) & {"*", "?"}:
        # In order, so the word itself comes first, before all those that only begin like it.
        listed = ((word, form if folds else word) for word, form in store.words(text, folded=folds))
        return (word for word, _ in takewhile(lambda pair: pair[1] == text, listed))
    start, wanted = wildcard_pattern(term.text, folds=folds)
    listed = ((word, form if folds else word) for word, form in checked(store.words(start, folded=folds)))
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
