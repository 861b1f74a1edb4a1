"""Connectionist temporal classification: Graves, Fernández, Gomez & Schmidhuber, ICML 2006.

    P(labels | x) = Σ over paths π with B(π) = labels of Π_t y[t, π_t],   B: merge repeats, then drop blanks   (eq. 3)

The loss is torch's, which a test compares with the sum over all paths. Greedy decoding takes the best label of every
frame ("best path", Section 3.2); beam search sums over the paths of a prefix (Graves 2012, Section 7.5; in the form of
Hannun et al., "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs",
arXiv:1408.2873, Algorithm 1), with a language model of characters where one is given.

Shapes: B lines, T frames, K labels, of which 0 is the blank. All probabilities are natural logarithms.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

BLANK = 0
NOTHING = -math.inf

# log P(label | the labels before it), in nats.
LanguageModel = Callable[[tuple[int, ...], int], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What was read: labels without blanks, and log P in nats: of the one best path, or of all paths in the beam."""

    labels: tuple[int, ...]
    log_probability: float


def ctc_loss(
    log_probs_BTK: Float[Tensor, "B T K"],
    frames_B: Int[Tensor, " B"],
    labels_BL: Int[Tensor, "B L"],
    lengths_B: Int[Tensor, " B"],
) -> Float[Tensor, " B"]:
    """-log P(labels) in nats, one per line; infinite where a line has too few frames for its labels.

    ``labels_BL`` (1..K-1) is read up to ``lengths_B``, ``log_probs_BTK`` up to ``frames_B``.
    """
    return F.ctc_loss(log_probs_BTK.transpose(0, 1), labels_BL, frames_B, lengths_B, blank=BLANK, reduction="none")


def frames_needed(labels: Sequence[int]) -> int:
    """The fewest frames that can hold ``labels``: one each, and a blank between two that are the same.

    >>> frames_needed([3, 3, 5])
    4
    """
    return len(labels) + sum(a == b for a, b in pairwise(labels))


def collapse(path: Sequence[int]) -> tuple[int, ...]:
    """B of the paper: repeats merged, then blanks dropped.

    >>> collapse([0, 3, 3, 0, 3, 5, 5, 0])
    (3, 3, 5)
    """
    kept = [label for t, label in enumerate(path) if t == 0 or label != path[t - 1]]
    return tuple(label for label in kept if label != BLANK)


def greedy(log_probs_BTK: Float[Tensor, "B T K"], frames_B: Int[Tensor, " B"]) -> list[Reading]:
    """The labels of the best path of each line; its log-probability is that of the path."""
    best, paths = log_probs_BTK.max(dim=2)
    lines = zip(best, paths.tolist(), frames_B.tolist(), strict=True)
    return [Reading(labels=collapse(path[:n]), log_probability=float(score[:n].sum())) for score, path, n in lines]


def beam_search(
    log_probs_TK: Float[Tensor, "T K"],
    *,
    width: int = 16,
    language_model: LanguageModel | None = None,
    language_weight: float = 1.0,
    label_bonus: float = 0.0,
    least: float = -12.0,
) -> list[Reading]:
    """The best readings of one line, at most ``width``, best first, ordered by

        log P(labels | frames) + language_weight · log P(labels) + label_bonus · number of labels

    (``log_probability`` is the first term alone, over the paths that the beam kept: with a beam that holds everything
    and ``least`` = -inf it is exact). Labels below ``least`` nats in a frame are not tried there.
    Raises ValueError when ``width`` is less than 1.
    """
    if width < 1:
        raise ValueError(f"width is {width}; expected 1 or more")
    beam: dict[tuple[int, ...], _Ends] = {(): _Ends(blank=0.0, label=NOTHING)}
    worth: dict[tuple[int, ...], float] = {(): 0.0}
    for frame in log_probs_TK.tolist():
        grown: dict[tuple[int, ...], _Ends] = {}
        tried = [label for label, value in enumerate(frame) if label != BLANK and value >= least]
        for prefix, ends in beam.items():
            _extend(grown, prefix, ends, frame, tried)
        for prefix in grown:
            if prefix not in worth:
                said = 0.0 if language_model is None else language_weight * language_model(prefix[:-1], prefix[-1])
                worth[prefix] = worth[prefix[:-1]] + said + label_bonus
        ranked = sorted(grown, key=lambda prefix: grown[prefix].total + worth[prefix], reverse=True)
        beam = {prefix: grown[prefix] for prefix in ranked[:width]}
    return [Reading(labels=prefix, log_probability=ends.total) for prefix, ends in beam.items()]


@dataclass(frozen=True, slots=True)
class _Ends:
    """Log-probabilities of all paths of a prefix, by whether they end on a blank or on its last label."""

    blank: float
    label: float

    @property
    def total(self) -> float:
        return _log_add(self.blank, self.label)


def _extend(
    grown: dict[tuple[int, ...], _Ends], prefix: tuple[int, ...], ends: _Ends, frame: list[float], tried: list[int]
) -> None:
    again = ends.label + frame[prefix[-1]] if prefix else NOTHING
    _add(grown, prefix, _Ends(ends.total + frame[BLANK], again))
    for label in tried:
        # The same label twice in a row is two labels only where a blank came between.
        arriving = ends.blank if prefix and label == prefix[-1] else ends.total
        if arriving > NOTHING:
            _add(grown, (*prefix, label), _Ends(NOTHING, arriving + frame[label]))


def _add(grown: dict[tuple[int, ...], _Ends], prefix: tuple[int, ...], more: _Ends) -> None:
    known = grown.get(prefix)
    if known:
        more = _Ends(_log_add(known.blank, more.blank), _log_add(known.label, more.label))
    grown[prefix] = more


def _log_add(a: float, b: float) -> float:
    high, low = max(a, b), min(a, b)
    return high if low == NOTHING else high + math.log1p(math.exp(low - high))
