"""Translation metrics BLEU and chrF2, each with a bootstrap interval over sentences.

- BLEU: Papineni, Roukos, Ward & Zhu, ACL 2002, over the whole corpus:
  BP · exp(mean of ln p_n, n = 1..4), BP = exp(1 - r/c) where the translation is shorter (c < r).
- chrF2: Popović, "chrF: character n-gram F-score for automatic MT evaluation", WMT 2015: n = 1..6 characters without
  white space, recall weighing twice as much as precision (β = 2).

Both equal sacrebleu 2 (Post, "A Call for Clarity in Reporting BLEU Scores", WMT 2018, arXiv:1804.08771) with one
reference per sentence: its signatures case:mixed|eff:no|tok:13a|smooth:exp and case:mixed|eff:yes|nc:6|nw:0|space:no.
Intervals: Koehn, "Statistical Significance Tests for Machine Translation Evaluation", EMNLP 2004.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from capas.metrics.bootstrap import percentile_interval
from capas.metrics.rate import interval_json

BLEU_MAX_ORDER, CHRF_MAX_ORDER, CHRF_BETA = 4, 6, 2.0
_NAMES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_MARKS = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslationScore:
    """A metric in 0..100 over ``n`` sentences with its 95 % interval."""

    value: float
    n: int
    interval: tuple[float, float]

    def as_json(self) -> dict[str, object]:
        """Return the fields that every ``--json`` uses for a metric that is no rate."""
        return {"value": round(self.value, 4), "n": self.n, "unit": ""} | interval_json(self.interval, 4)


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslationMetrics:
    """The metrics of one set of translations."""

    bleu: TranslationScore
    chrf: TranslationScore

    def metrics_json(self) -> dict[str, object]:
        """Return the metrics by name."""
        return {"bleu": self.bleu.as_json(), "chrf2": self.chrf.as_json()}


def tokens_13a(line: str) -> list[str]:
    """Tokenize as mteval-v13a.pl, the scorer of WMT, does.

    >>> tokens_13a("It cost $1,000.50, no?")
    ['It', 'cost', '$', '1,000.50', ',', 'no', '?']
    """
    line = line.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for name, character in _NAMES:
        line = line.replace(name, character)
    line = f" {line} "
    for pattern, replacement in _MARKS:
        line = pattern.sub(replacement, line)
    return line.split()


def bleu_counts(translation: str, reference: str) -> list[int]:
    """Return the lengths of translation and reference, then for n = 1..4 the matching n-grams and all n-grams."""
    ours, theirs = tokens_13a(translation), tokens_13a(reference)
    counts = [len(ours), len(theirs)]
    for n in range(1, BLEU_MAX_ORDER + 1):
        own = _ngrams(ours, n)
        counts += [(own & _ngrams(theirs, n)).total(), own.total()]
    return counts


def chrf_counts(translation: str, reference: str) -> list[int]:
    """Return for n = 1..6 characters the n-grams of the translation, of the reference, and the matching ones."""
    ours, theirs = "".join(translation.split()), "".join(reference.split())
    counts: list[int] = []
    for n in range(1, CHRF_MAX_ORDER + 1):
        own, other = _ngrams(ours, n), _ngrams(theirs, n)
        counts += [own.total() if other else 0, other.total(), (own & other).total()]
    return counts


def bleu_from_counts(counts: Sequence[int]) -> float:
    """Return BLEU in 0..100 from summed ``bleu_counts``; a missing match counts 1/2, 1/4, … (exp smoothing)."""
    ours, theirs, *ngrams = counts
    matches, totals = ngrams[::2], ngrams[1::2]
    if not any(matches) or not all(totals):
        return 0.0
    logarithms, smooth = 0.0, 1.0
    for matched, total in zip(matches, totals, strict=True):
        if not matched:
            smooth *= 2
        logarithms += math.log((matched or 1 / smooth) / total)
    penalty = min(0.0, 1 - theirs / ours)
    return 100 * math.exp(penalty + logarithms / BLEU_MAX_ORDER)


def chrf_from_counts(counts: Sequence[int]) -> float:
    """Return chrF2 in 0..100 from summed ``chrf_counts``; orders that one side lacks are left out."""
    precisions: list[float] = []
    recalls: list[float] = []
    for ours, theirs, matched in zip(counts[::3], counts[1::3], counts[2::3], strict=True):
        if ours and theirs:
            precisions.append(matched / ours)
            recalls.append(matched / theirs)
    precision, recall = sum(precisions) / max(1, len(precisions)), sum(recalls) / max(1, len(recalls))
    if precision + recall == 0:
        return 0.0
    return 100 * (1 + CHRF_BETA**2) * precision * recall / (CHRF_BETA**2 * precision + recall)


def translation_metrics(
    translations: Sequence[str], references: Sequence[str], rng: torch.Generator, *, resamples: int = 1000
) -> TranslationMetrics:
    """Return BLEU and chrF2 of ``translations``, with intervals over ``resamples`` bootstrap draws of sentences.

    Raises:
        ValueError: The two differ in number, or are empty.
    """
    if not translations or len(translations) != len(references):
        raise ValueError(f"{len(translations)} translations, {len(references)} references; expected as many, not none")
    pairs = list(zip(translations, references, strict=True))
    draws = torch.randint(len(pairs), (resamples, len(pairs)), generator=rng)
    bleu = _score(torch.tensor([bleu_counts(*pair) for pair in pairs]), bleu_from_counts, draws)
    chrf = _score(torch.tensor([chrf_counts(*pair) for pair in pairs]), chrf_from_counts, draws)
    return TranslationMetrics(bleu=bleu, chrf=chrf)


def _score(
    counts: Int[Tensor, "N C"], figure: Callable[[Sequence[int]], float], draws: Int[Tensor, "R N"]
) -> TranslationScore:
    values = torch.tensor([figure(counts[draw].sum(0).tolist()) for draw in draws], dtype=torch.float64)
    return TranslationScore(
        value=figure(counts.sum(0).tolist()), n=len(counts), interval=percentile_interval(values, len(counts))
    )


def _ngrams(symbols: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(symbols[start : start + n]) for start in range(len(symbols) - n + 1))
