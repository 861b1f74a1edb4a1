"""Significance of the difference of two recognisers: matched-pairs sentence-segment word error test (MAPSSWE).

Gillick & Cox, "Some Statistical Issues in the Comparison of Speech Recognition Algorithms", ICASSP 1989; Pallett,
Fisher & Fiscus, "Tools for the Analysis of Benchmark Speech Recognition Tests", ICASSP 1990; NIST's ``sc_stats -t
mapsswe``.

Errors near each other depend on each other; those with two words or more between them that both systems have right are
taken as independent. So each utterance falls into segments, from the first error of either system to the last before
two such words or the end, and with Z_i the errors of the first system less those of the second in segment i of n:

    W = mean(Z) / (deviation(Z) / √n),   p = 2 (1 − Φ(|W|)),   deviation with n − 1

Where we deviate from NIST's program: the alignment is the one that the error rate counts, not one of weights 3 and 4;
an utterance whose reference allows several wordings, of which the systems took different ones, is one segment; words
that the second system inserts at the very end of an utterance count (the program leaves them out).
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from capas.evaluation.bootstrap import ALPHA
from capas.evaluation.speech.word_alignment import Pair

BETWEEN: Final = 2
FEW_SEGMENTS: Final = 30  # below it the normal distribution is too sure of itself


@dataclass(frozen=True, kw_only=True, slots=True)
class UtteranceErrors:
    """One system's errors in one utterance.

    Attributes:
        reference: The R reference words.
        wrong: 2R + 1 counts: words inserted before the first, whether the first is wrong (0 or 1), words inserted after
            it, …
    """

    reference: tuple[str, ...]
    wrong: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class MAPSSWETest:
    """The test of two systems.

    Attributes:
        segments: Number of segments.
        errors: Errors of the first and second system in them.
        mean: Mean difference (first less second) in words per segment.
        deviation: Standard deviation of the difference; None with the next two where undefined.
        statistic: The statistic W.
        p: Two-sided p-value.
    """

    segments: int
    errors: tuple[int, int]
    mean: float
    deviation: float | None
    statistic: float | None
    p: float | None

    @property
    def shown(self) -> bool:
        """Whether the difference is significant at the 5 % level."""
        return self.p is not None and self.p < ALPHA

    @property
    def first_is_better(self) -> bool:
        """Whether the difference favours the first system."""
        return self.mean < 0

    def as_json(self) -> dict[str, object]:
        """Return the fields for ``--json``."""
        found = {"mean": self.mean, "deviation": self.deviation, "statistic": self.statistic, "p": self.p}
        rounded = {name: None if value is None else round(value, 6) for name, value in found.items()}
        return {"segments": self.segments, "errors": list(self.errors), **rounded, "shown": self.shown}


def utterance_errors(pairs: Sequence[Pair]) -> UtteranceErrors:
    """Return the errors of an alignment (``word_alignment.align_transcripts``)."""
    words, wrong = list[str](), [0]
    for wanted, said in pairs:
        if wanted is None:
            wrong[-1] += 1
        else:
            words.append(wanted)
            wrong += [int(wanted != said), 0]
    return UtteranceErrors(reference=tuple(words), wrong=tuple(wrong))


def segment_errors(first: UtteranceErrors, second: UtteranceErrors) -> list[tuple[int, int]]:
    """Return the errors of both systems in each segment of one utterance."""
    if first.reference != second.reference:
        whole = sum(first.wrong), sum(second.wrong)
        return [whole] if any(whole) else []
    found, right = list[tuple[int, int]](), BETWEEN
    for place, (a, b) in enumerate(zip(first.wrong, second.wrong, strict=True)):
        if a or b:
            known = found.pop() if right < BETWEEN else (0, 0)
            found.append((known[0] + a, known[1] + b))
            right = 0
        else:
            right += place % 2
    return found


def mapsswe(first: Sequence[UtteranceErrors], second: Sequence[UtteranceErrors]) -> MAPSSWETest:
    """Compare two systems on the same utterances. Raises ValueError when their numbers differ."""
    counted = list(chain.from_iterable(segment_errors(a, b) for a, b in zip(first, second, strict=True)))
    differences = [a - b for a, b in counted]
    n = len(counted)
    mean = sum(differences) / max(1, n)
    deviation = statistics.stdev(differences) if n > 1 else None
    statistic = mean / (deviation / math.sqrt(n)) if deviation else None
    return MAPSSWETest(
        segments=n, errors=(sum(a for a, _ in counted), sum(b for _, b in counted)), mean=mean, deviation=deviation,
        statistic=statistic, p=None if statistic is None else math.erfc(abs(statistic) / math.sqrt(2)),
    )  # fmt: skip
