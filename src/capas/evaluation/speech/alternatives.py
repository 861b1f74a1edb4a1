"""Alternative wordings of a reference: ``{a / b}`` one of several, ``(word)`` an optional word, ``@`` none.

As NIST's STM references write them (sclite's manual, "stm"). Of all wordings the one nearest to the hypothesis is
taken, and its words are counted as the reference.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from capas.core.errors import CapasError

Words = tuple[str, ...]
Slot = tuple[Words, ...]
NOTHING = "@"
MOST = 1000
MAX_DEPTH = 50  # of braces within braces
_TOKEN = re.compile(r"[{}]|(?<!\S)/(?!\S)|[^\s{}]+")
_OPTIONAL = re.compile(r"\(([^()]*)\)")


def parse_alternatives(text: str, where: str) -> tuple[Slot, ...]:
    """Return the wordings that ``text`` allows at each of its positions.

    >>> parse_alternatives("I {am / 'm} (uh) here", "")
    ((('I',),), (('am',), ("'m",)), (('uh',), ()), (('here',),))

    Raises:
        CapasError: ``score_braces`` on braces that do not match, or more than ``MOST`` wordings at one position.
    """
    text = _OPTIONAL.sub(lambda match: f" {{ {match[1]} / {NOTHING} }} ", text)
    tokens = iter(_TOKEN.findall(text))
    slots = _slots(tokens, False, where)
    return tuple(slots)


def _slots(tokens: Iterator[str], inside: bool, where: str) -> list[Slot]:
    found = list[Slot]()
    for token in tokens:
        if token == "{":
            found.append(_alternatives(tokens, where, 1))
        elif token == "}" or (inside and token == "/"):
            raise CapasError("score_braces", where=where, received=token)
        else:
            found.append(((),) if token == NOTHING else ((token,),))
    return found


def _alternatives(tokens: Iterator[str], where: str, depth: int) -> Slot:
    """What stands up to the matching brace, as wordings."""
    if depth > MAX_DEPTH:
        raise CapasError("score_braces", where=where, received="{" * 4 + "…")
    done, wordings = list[Words](), [()]  # type: list[Words], list[Words]
    for token in tokens:
        if token in ("/", "}"):
            done.extend(wordings)
            wordings = [()]
            if token == "}":
                return tuple(dict.fromkeys(done))
            continue
        nested = _alternatives(tokens, where, depth + 1) if token == "{" else (() if token == NOTHING else (token,),)
        wordings = [before + after for before in wordings for after in nested]
        if len(wordings) > MOST:
            break
    raise CapasError("score_braces", where=where, received="{")


def normalise_alternatives(slots: Sequence[Slot], change: Callable[[str], str]) -> tuple[Slot, ...]:
    """Return every wording normalised by ``change`` (a text to a text)."""
    return tuple(tuple(tuple(change(" ".join(words)).split()) for words in slot) for slot in slots)


def nearest_wording(slots: Sequence[Slot], hypothesis: Sequence[str]) -> Words:
    """Return the wording with the smallest edit distance to ``hypothesis``; of equals, the one written first.

    >>> nearest_wording((((("going", "to"), ("gonna",))), (("go",),)), ["gonna", "go"])
    ('gonna', 'go')
    """
    # Cell j: the least cost of what was read so far against the first j words, and the choices that lead there.
    costs = list(range(len(hypothesis) + 1))
    choices: list[tuple[int, ...]] = [()] * len(costs)
    for slot in slots:
        best: list[tuple[int, int, tuple[int, ...]]] = []
        for number, words in enumerate(slot):
            ended = _after(costs, choices, words, hypothesis)
            kept = [(cost, number, (*chain, number)) for cost, chain in ended]
            best = kept if not best else [min(a, b) for a, b in zip(best, kept, strict=True)]
        costs, choices = [cost for cost, _, _ in best], [chain for _, _, chain in best]
    return tuple(word for slot, number in zip(slots, choices[-1], strict=True) for word in slot[number])


def _after(
    costs: Sequence[int], choices: Sequence[tuple[int, ...]], words: Words, hypothesis: Sequence[str]
) -> list[tuple[int, tuple[int, ...]]]:
    row = list(zip(costs, choices, strict=True))
    for word in words:
        above, row = row, [(row[0][0] + 1, row[0][1])]
        for j, said in enumerate(hypothesis, 1):
            row.append(
                min(
                    (above[j - 1][0] + (word != said), above[j - 1][1]),
                    (above[j][0] + 1, above[j][1]),
                    (row[j - 1][0] + 1, row[j - 1][1]),
                )
            )
    return row
