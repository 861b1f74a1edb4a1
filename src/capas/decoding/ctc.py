"""Decoding of connectionist temporal classification (CTC): greedy search, prefix beam search, forced alignment.

Graves, Fernández, Gomez & Schmidhuber, ICML 2006:

    P(labels | x) = Σ over paths π with B(π) = labels of Π_t y[t, π_t],   B: merge repeats, then drop blanks   (eq. 3)

Greedy decoding takes the best label of every frame ("best path", Section 3.2); beam search sums over the paths of a
prefix (Graves 2012, Section 7.5; in the form of Hannun et al., "First-Pass Large Vocabulary Continuous Speech
Recognition using Bi-Directional Recurrent DNNs", arXiv:1408.2873, Algorithm 1), with a character language model where
one is given ("shallow fusion": Gulcehre et al., arXiv:1503.03535, Section 4.1).

Shapes: B lines, T frames, K labels, of which 0 is the blank. All probabilities are natural logarithms.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

BLANK = 0
LOG_ZERO = -math.inf
# A label of less than 1/1000 in a frame is not tried there: on two manuscripts it changed no reading, and took a fifth
# of the time of 1/160,000.
MIN_LOG_PROBABILITY: Final = -7.0
# log P(label | the labels before it), in nats; P(the line ends | the labels before) where the label is the blank.
LanguageModel = Callable[[tuple[int, ...], int], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class CTCHypothesis:
    """A decoded line: labels without blanks, and log P in nats, of the best path or of all paths in the beam."""

    labels: tuple[int, ...]
    log_probability: float


def min_ctc_frames(labels: Sequence[int]) -> int:
    """Return the fewest frames that can hold ``labels``: one each, and a blank between two equal ones.

    >>> min_ctc_frames([3, 3, 5])
    4
    """
    return len(labels) + sum(a == b for a, b in pairwise(labels))


def collapse_ctc_path(path: Sequence[int]) -> tuple[int, ...]:
    """Return B(path): repeats merged, then blanks dropped.

    >>> collapse_ctc_path([0, 3, 3, 0, 3, 5, 5, 0])
    (3, 3, 5)
    """
    kept = [label for t, label in enumerate(path) if t == 0 or label != path[t - 1]]
    return tuple(label for label in kept if label != BLANK)


def ctc_greedy_search(log_probs_BTK: Float[Tensor, "B T K"], frames_B: Int[Tensor, " B"]) -> list[CTCHypothesis]:
    """Return the labels of each line's best path, with the log-probability of that path."""
    best, paths = log_probs_BTK.max(dim=2)
    lines = zip(best, paths.tolist(), frames_B.tolist(), strict=True)
    return [
        CTCHypothesis(labels=collapse_ctc_path(path[:n]), log_probability=float(score[:n].sum()))
        for score, path, n in lines
    ]


def ctc_beam_search(
    log_probs_TK: Float[Tensor, "T K"],
    *,
    width: int = 16,
    language_model: LanguageModel | None = None,
    language_weight: float = 1.0,
    label_bonus: float = 0.0,
    min_log_probability: float = MIN_LOG_PROBABILITY,
) -> list[CTCHypothesis]:
    """Return the best hypotheses of one line, at most ``width``, best first.

    They are ordered by log P(labels | frames) + language_weight · log P(labels, end) + label_bonus · number of labels.
    ``log_probability`` is the first term alone, over the paths that the beam kept: with a beam that holds everything
    and ``min_log_probability`` = -inf it is exact. With a language model the masses of a frame's hypotheses no longer
    add up to what follows them, so that these are transcripts, no index.

    Args:
        log_probs_TK: Log-probabilities.
        width: Beam width.
        language_model: Character language model; None for none.
        language_weight: Its weight.
        label_bonus: Bonus per label, in nats.
        min_log_probability: Labels below it are not tried in a frame.

    Raises:
        ValueError: ``width`` is less than 1.
    """
    if width < 1:
        raise ValueError(f"width is {width}; expected 1 or more")
    prefixes = _Prefixes(language_model=language_model, weight=language_weight, bonus=label_bonus)
    beam, scale, least_chance = {0: (1.0, 0.0)}, 0.0, math.exp(min_log_probability)
    for frame in log_probs_TK.double().exp().tolist():
        tried = [
            (label, probability)
            for label, probability in enumerate(frame)
            if label != BLANK and probability >= least_chance
        ]
        ranked = prefixes.best(_grown(beam, prefixes, frame, tried), width)
        whole = sum(blank + label for _, (blank, label) in ranked)
        beam = {prefix: (blank / whole, label / whole) for prefix, (blank, label) in ranked}
        scale += math.log(whole)
    prefixes.end(beam)
    return [
        CTCHypothesis(labels=prefixes.labels[prefix], log_probability=math.log(blank + label) + scale)
        for prefix, (blank, label) in prefixes.best(beam, width)
    ]


# By prefix: the probability of its paths that end on a blank, and of those that end on its last label.
_Beam = dict[int, tuple[float, float]]


@dataclass(kw_only=True, slots=True)
class _Prefixes:
    """The prefixes that were met, by number; 0 is the empty one. ``worth``: what the language model and the bonus add
    to the logarithm of each."""

    language_model: LanguageModel | None
    weight: float
    bonus: float
    labels: list[tuple[int, ...]] = field(default_factory=lambda: [()])
    worth: list[float] = field(default_factory=lambda: [0.0])
    further: dict[tuple[int, int], int] = field(default_factory=dict)

    def child(self, prefix: int, label: int) -> int:
        """The number of ``prefix`` with one more label."""
        known = self.further.get((prefix, label))
        if known is None:
            known = self.further[prefix, label] = len(self.labels)
            self.worth.append(self.worth[prefix] + self._said(prefix, label) + self.bonus)
            self.labels.append((*self.labels[prefix], label))
        return known

    def end(self, beam: _Beam) -> None:
        """The line ends after each prefix of ``beam``."""
        for prefix in beam:
            self.worth[prefix] += self._said(prefix, BLANK)

    def best(self, beam: _Beam, width: int) -> list[tuple[int, tuple[float, float]]]:
        """The ``width`` best prefixes that have a path, the best first."""
        worth = self.worth
        scored = [
            (math.log(blank + label) + worth[prefix], prefix)
            for prefix, (blank, label) in beam.items() if blank + label > 0
        ]  # fmt: skip
        scored.sort(key=lambda pair: -pair[0])
        return [(prefix, beam[prefix]) for _, prefix in scored[:width]]

    def _said(self, prefix: int, label: int) -> float:
        return 0.0 if self.language_model is None else self.weight * self.language_model(self.labels[prefix], label)


def _grown(beam: _Beam, prefixes: _Prefixes, frame: list[float], tried: list[tuple[int, float]]) -> _Beam:
    """``beam`` one frame later."""
    grown: _Beam = {}
    for prefix, (blank, label) in beam.items():
        last, whole = prefixes.labels[prefix][-1] if prefix else BLANK, blank + label
        entered = grown[prefix][1] if prefix in grown else 0.0
        grown[prefix] = (whole * frame[BLANK], entered + label * frame[last])
        for other, probability in tried:
            # The same label twice in a row is two labels only where a blank came between.
            arriving = blank if other == last else whole
            if arriving:
                child = prefixes.child(prefix, other)
                ends = grown.get(child, (0.0, 0.0))
                grown[child] = (ends[0], ends[1] + arriving * probability)
    return grown


def ctc_forced_alignment(log_probs_TK: Float[np.ndarray, "T K"], labels: Sequence[int]) -> list[tuple[int, int]]:
    """Return the half-open range of frames of each label on the most probable path of ``labels`` (Viterbi).

    Raises:
        ValueError: The frames are too few for them.
    """
    if min_ctc_frames(labels) > len(log_probs_TK):
        raise ValueError(f"{len(log_probs_TK)} frames; expected {min_ctc_frames(labels)} or more")
    path = _best_path(log_probs_TK, labels) if labels else []
    spans = [(len(path), 0)] * len(labels)
    for t, state in enumerate(path):
        if state % 2:
            start, end = spans[state // 2]
            spans[state // 2] = (min(start, t), max(end, t + 1))
    return spans


def _best_path(log_probs_TK: Float[np.ndarray, "T K"], labels: Sequence[int]) -> list[int]:
    """The state of each frame: 2i + 1 says label i, 2i is the blank before it."""
    states = np.full(2 * len(labels) + 1, BLANK)
    states[1::2] = labels
    frames = log_probs_TK[:, states]
    # A label may be reached from the one before without a blank, unless it is the same.
    no_leap = np.ones(len(states), dtype=bool)
    no_leap[3::2] = states[3::2] == states[1:-2:2]
    ways = np.full((3, len(states)), LOG_ZERO)  # from the same state, from the one before, from the one before that
    scores = np.full(len(states), LOG_ZERO)
    scores[:2] = frames[0, :2]
    came = np.zeros(frames.shape, dtype=np.int64)
    for t in range(1, len(frames)):
        ways[0], ways[1, 1:], ways[2, 2:] = scores, scores[:-1], scores[:-2]
        ways[2, no_leap] = LOG_ZERO
        came[t] = ways.argmax(axis=0)
        scores = ways.max(axis=0) + frames[t]
    state = len(states) - 2 + int(scores[-1] > scores[-2])
    path = [state]
    for back in came[:0:-1]:
        state -= int(back[state])
        path.append(state)
    return path[::-1]
