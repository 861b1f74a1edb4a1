"""Character and word error rates (CER, WER) with their substitutions, deletions and insertions.

    rate = (substitutions + deletions + insertions) / length of the reference          (over all lines together)

counted on a shortest alignment of reference and hypothesis (Levenshtein 1966). Which of several shortest alignments is
taken is a convention: rapidfuzz's, which jiwer has too. The interval is a percentile bootstrap over lines, since errors
within a line are not independent.

Text is compared as it is, code point by code point: normalise (NFC) before, if that is wanted. Words are what
whitespace separates.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from rapidfuzz.distance import Levenshtein

from capas.metrics.bootstrap import percentile_interval
from capas.metrics.rate import interval_json

RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Edits:
    """Edit operations of an alignment; hits + substitutions + deletions is the reference's length."""

    hits: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def length(self) -> int:
        """Items of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def distance(self) -> int:
        """The Levenshtein distance."""
        return self.substitutions + self.deletions + self.insertions

    def __add__(self, other: "Edits") -> "Edits":
        return Edits(
            hits=self.hits + other.hits,
            substitutions=self.substitutions + other.substitutions,
            deletions=self.deletions + other.deletions,
            insertions=self.insertions + other.insertions,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorRate:
    """An error rate.

    Attributes:
        value: Errors per item of the reference; may exceed 1. The number of insertions where all references are empty.
        lines: Number of lines.
        interval: 95 % bootstrap interval.
        edits: Edit operations over all lines.
    """

    value: float
    lines: int
    interval: tuple[float, float]
    edits: Edits

    def as_json(self) -> dict[str, object]:
        """Return the fields of a rate with its counts; the sample size is the number of reference items."""
        counts = {
            "substitutions": self.edits.substitutions,
            "deletions": self.edits.deletions,
            "insertions": self.edits.insertions,
        }
        return (
            {
                "value": round(self.value, 6),
                "n": self.edits.length,
                "lines": self.lines,
            }
            | interval_json(self.interval)
            | counts
        )


def count_edits(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> Edits:
    """Return the edits of a shortest alignment of ``reference`` and ``hypothesis``.

    >>> count_edits("kitten", "sitting")
    Edits(hits=4, substitutions=2, deletions=0, insertions=1)
    """
    counts = Counter(operation.tag for operation in Levenshtein.editops(reference, hypothesis))
    hits = len(reference) - counts["replace"] - counts["delete"]
    return Edits(hits=hits, substitutions=counts["replace"], deletions=counts["delete"], insertions=counts["insert"])


def character_error_rate(references: Sequence[str], hypotheses: Sequence[str], *, seed: int = 0) -> ErrorRate:
    """Return the CER over all lines. Raises ValueError on no lines or differing numbers of them."""
    return error_rate(references, hypotheses, seed=seed)


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str], *, seed: int = 0) -> ErrorRate:
    """Return the WER over all lines, words separated by whitespace. Raises as ``character_error_rate``."""
    return error_rate([line.split() for line in references], [line.split() for line in hypotheses], seed=seed)


def error_rate(
    references: Sequence[Sequence[Hashable]],
    hypotheses: Sequence[Sequence[Hashable]],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> ErrorRate:
    """Return the error rate over all lines with its 95 % interval (percentile bootstrap by line).

    Raises:
        ValueError: There are no lines, or differing numbers of them.
    """
    if not references or len(references) != len(hypotheses):
        raise ValueError(
            f"{len(references)} references and {len(hypotheses)} readings; expected the same, and not none"
        )
    by_line = [count_edits(reference, reading) for reference, reading in zip(references, hypotheses, strict=True)]
    total = sum(by_line, Edits(hits=0, substitutions=0, deletions=0, insertions=0))
    interval = _interval([(line.distance, line.length) for line in by_line], seed, resamples)
    return ErrorRate(value=_ratio(total.distance, total.length), lines=len(by_line), interval=interval, edits=total)


def _ratio(distance: int, length: int) -> float:
    # As jiwer: against an empty reference every insertion counts as one whole error.
    return distance / max(1, length)


def _interval(counts: list[tuple[int, int]], seed: int, resamples: int) -> tuple[float, float]:
    lines = torch.tensor(counts, dtype=torch.double)
    rng = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(lines), (resamples, len(lines)), generator=rng)
    distance, length = torch.stack([lines[rows].sum(0) for rows in drawn]).unbind(1)
    return percentile_interval(distance / length.clamp(min=1), len(lines))
