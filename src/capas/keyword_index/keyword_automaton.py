"""The exact probability that a keyword occurs in a line, from the posteriorgram of a CTC network alone.

A path π takes one label per frame, B(π) merges repeats and drops blanks (Graves et al. 2006). Wanted is the sum of Π_t
y[t, π_t] over all paths whose B(π), with a delimiter before and behind it, holds ``delimiter keyword delimiter``.
Knuth, Morris & Pratt's automaton reads B(π) label by label; here a position may admit several labels (a and á, u and
v), so its states are *sets* of prefixes (the subset construction). A path is read frame by frame, so a node also holds
which label the last frame had, where repeating it would count as a second letter if a blank came between: two letters
that a fold makes equal but that touch without blank (u, v) remain two. A forward pass over that automaton, O(T · nodes
· classes of labels), is the probability: no backward pass, since without a language model whatever follows sums to one.
For the same reason nothing underflows: in every frame the masses of all nodes sum to one, and one that falls below
1e-308 is negligible.

Legend: T frames, K labels, C classes of labels that the automaton treats alike, N nodes, E edges.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from capas.keyword_index.jit import jit_compiled

BLANK: Final = 0  # as in tasks/ctc, which would load torch
_OTHER: Final = -1

_Prefixes = frozenset[int]
_Node = tuple[_Prefixes, int]
_NOTHING: Final[_Node] = (frozenset(), BLANK)
_START: Final[_Node] = (frozenset({1}), BLANK)  # the line's start counts as a delimiter


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class KeywordAutomaton:
    """The automaton of a keyword; node 0 knows nothing, node 1 is the start.

    Attributes:
        groups: Labels of classes 2, 3, …; class 0 is the blank, class 1 all labels that the keyword does not hold.
        next_NC: The node after a frame of that class.
        found_NC: Whether that completes an occurrence.
        found_N: Whether the line's end completes one.
    """

    groups: tuple[tuple[int, ...], ...]
    next_NC: Int[np.ndarray, "N C"]
    found_NC: Bool[np.ndarray, "N C"]
    found_N: Bool[np.ndarray, " N"]


def build_keyword_automaton(letters: Sequence[AbstractSet[int]], delimiters: AbstractSet[int]) -> KeywordAutomaton:
    """Build the automaton for a word, or for several with the delimiters between them among the ``letters``.

    ``letters`` has one set of alternative labels per position.

    Raises:
        ValueError: The word or a set is empty, or holds the blank.
    """
    if not letters or not all((*letters, delimiters)) or BLANK in set().union(delimiters, *letters):
        raise ValueError(f"{letters} with delimiters {delimiters}; expected sets of labels from 1")
    pattern = (delimiters, *letters, delimiters)
    symbols = sorted(set().union(*pattern))
    classes = (BLANK, _OTHER, *symbols)
    nodes: dict[_Node, int] = {_NOTHING: 0, _START: 1}
    rows: list[list[tuple[int, bool]]] = []
    waiting = [_NOTHING, _START]
    for node in waiting:
        row = []
        for label in classes:
            after, found = _read(pattern, node, label)
            if after not in nodes:
                nodes[after] = len(nodes)
                waiting.append(after)
            row.append((nodes[after], found))
        rows.append(row)
    table_NC2 = np.array(rows, dtype=np.int64)
    kept, groups = _merge_equal_columns(table_NC2, symbols)
    last = len(pattern) - 1
    return KeywordAutomaton(
        groups=groups, next_NC=table_NC2[:, kept, 0], found_NC=table_NC2[:, kept, 1].astype(bool),
        found_N=np.array([last in prefixes for prefixes, _ in nodes]),
    )  # fmt: skip


def keyword_probability(posteriors_TK: Float[np.ndarray, "T K"], word: KeywordAutomaton) -> float:
    """Return the probability, 0..1, that the line holds the word at least once.

    Rows must sum to one: see ``normalise_posteriors``.
    """
    return min(1.0, float(_found(posteriors_TK, word, once=True).sum()))


def expected_keyword_count(posteriors_TK: Float[np.ndarray, "T K"], word: KeywordAutomaton) -> float:
    """Return the expected number of occurrences of the word in the line. Rows must sum to one."""
    return float(_found(posteriors_TK, word, once=False).sum())


def normalise_posteriors(posteriors_TK: Float[np.ndarray, "T K"]) -> Float[np.ndarray, "T K"]:
    """Return rows that sum to one in double precision, as single or half precision leaves them only nearly.

    Raises:
        ValueError: A row holds a negative number, NaN, infinity or nothing but zeros.
    """
    exact_TK = posteriors_TK.astype(np.float64)
    sums_T1 = exact_TK.sum(axis=1, keepdims=True)
    if not (np.isfinite(sums_T1).all() and (sums_T1 > 0).all() and (exact_TK >= 0).all()):
        raise ValueError("not a posteriorgram; expected probabilities in every frame")
    rows_TK: Float[np.ndarray, "T K"] = exact_TK / sums_T1
    return rows_TK


def _advance(pattern: Sequence[AbstractSet[int]], prefixes: _Prefixes, label: int) -> _Prefixes:
    """The lengths of all prefixes of the pattern that end here, when ``label`` follows those that ended before it."""
    return frozenset(length + 1 for length in (0, *prefixes) if length < len(pattern) and label in pattern[length])


def _read(pattern: Sequence[AbstractSet[int]], node: _Node, label: int) -> tuple[_Node, bool]:
    """The node after one more frame, and whether that frame completes an occurrence."""
    prefixes, held = node
    if label == held:
        return node, False
    if label == BLANK:
        return (prefixes, BLANK), False
    reached = _advance(pattern, prefixes, label)
    # Which label came last matters only where the same one, read again, would lead elsewhere.
    is_held = _advance(pattern, reached - {len(pattern)}, label) != reached - {len(pattern)}
    return (reached - {len(pattern)}, label if is_held else BLANK), len(pattern) in reached


def _merge_equal_columns(
    table_NC2: Int[np.ndarray, "N C 2"], symbols: Sequence[int]
) -> tuple[list[int], tuple[tuple[int, ...], ...]]:
    """Labels with the same column need only one: the columns kept, and the labels of each beyond the first two."""
    groups: dict[bytes, list[int]] = {}
    first: dict[bytes, int] = {}
    for column, label in enumerate(symbols, start=2):
        content = table_NC2[:, column].tobytes()
        groups.setdefault(content, []).append(label)
        first.setdefault(content, column)
    return [0, 1, *first.values()], tuple(tuple(group) for group in groups.values())


def _found(posteriors_TK: Float[np.ndarray, "T K"], word: KeywordAutomaton, *, once: bool) -> Float[np.ndarray, " T1"]:
    """The mass that completes an occurrence in each frame, and behind the last; ``once``: only each path's first."""
    classes_TC = _by_class(posteriors_TK, word)
    loop = jit_compiled(_loop)
    if loop is None:
        return _by_matrices(classes_TC, word, once=once)
    # Most edges lead to node 0, whose mass is what the others leave of 1.
    sources_E, classes_E = np.nonzero(word.next_NC)
    targets_E, found_E = word.next_NC[sources_E, classes_E], word.found_NC[sources_E, classes_E]
    found_T1: Float[np.ndarray, " T1"] = loop(classes_TC, sources_E, classes_E, targets_E, found_E, word.found_N, once)
    return found_T1


def _by_class(posteriors_TK: Float[np.ndarray, "T K"], word: KeywordAutomaton) -> Float[np.ndarray, "T C"]:
    labels = [label for group in word.groups for label in group]
    starts = np.cumsum([0, *(len(group) for group in word.groups)])[:-1]
    classes_TC = np.empty((len(posteriors_TK), 2 + len(word.groups)))
    classes_TC[:, 0] = posteriors_TK[:, BLANK]
    classes_TC[:, 2:] = np.add.reduceat(posteriors_TK[:, labels], starts, axis=1)
    classes_TC[:, 1] = np.maximum(0, 1 - classes_TC[:, 0] - classes_TC[:, 2:].sum(axis=1))
    return classes_TC


def _by_matrices(
    classes_TC: Float[np.ndarray, "T C"], word: KeywordAutomaton, *, once: bool
) -> Float[np.ndarray, " T1"]:
    """Every frame as one matrix from node to node."""
    count, num_classes = word.next_NC.shape
    moves_CNN = (word.next_NC.T[:, :, None] == np.arange(count)).astype(np.float64)
    if once:
        moves_CNN[word.found_NC.T] = 0
    moves_TNN = (classes_TC @ moves_CNN.reshape(num_classes, -1)).reshape(-1, count, count)
    found_TN = classes_TC @ word.found_NC.T.astype(np.float64)
    mass_N, found_T1 = np.eye(count)[1], np.zeros(len(classes_TC) + 1)
    for t, (moves_NN, completes_N) in enumerate(zip(moves_TNN, found_TN, strict=True)):
        found_T1[t] = mass_N @ completes_N
        mass_N = mass_N @ moves_NN
    found_T1[-1] = float(mass_N @ word.found_N)
    return found_T1


def _loop(
    classes_TC: Float[np.ndarray, "T C"], sources_E: Int[np.ndarray, " E"], classes_E: Int[np.ndarray, " E"],
    targets_E: Int[np.ndarray, " E"], found_E: Bool[np.ndarray, " E"], found_N: Bool[np.ndarray, " N"], once: bool,
) -> Float[np.ndarray, " T1"]:  # fmt: skip
    """The same, edge by edge, for numba."""
    frames = len(classes_TC)
    mass_N, moved_N = np.zeros(len(found_N)), np.zeros(len(found_N))
    found_T1 = np.zeros(frames + 1)
    mass_N[1], gone = 1.0, 0.0
    for t in range(frames):
        moved_N[:] = 0.0
        for e in range(len(sources_E)):
            part = mass_N[sources_E[e]] * classes_TC[t, classes_E[e]]
            if found_E[e]:
                found_T1[t] += part
            if not (found_E[e] and once):
                moved_N[targets_E[e]] += part
        gone += found_T1[t] if once else 0.0
        moved_N[0] = max(0.0, 1.0 - gone - moved_N[1:].sum())
        mass_N, moved_N = moved_N, mass_N
    for n in range(len(found_N)):
        found_T1[frames] += mass_N[n] if found_N[n] else 0.0
    return found_T1
