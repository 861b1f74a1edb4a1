"""Average precision and term-weighted value of a ranked list, for many weightings of its files at once (R rows).

    AP = Σ over thresholds (recall now - recall before) · precision now              hits of one score together
    TWV(θ) = 1 - mean over terms that occur [ P_miss(θ) + β · P_FA(θ) ]   P_FA = false alarms / (trials - occurrences)

Term-weighted value: Fiscus, Ajot, Garofolo & Doddington, "Results of the 2006 Spoken Term Detection Evaluation", SSCS
2007; β = 999.9 is their cost of a false alarm over that of a miss with a term's prior of 10⁻⁴.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

BETA = 999.9


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedHits:
    """Hits by falling score.

    Attributes:
        files: File index of each hit, shape (H,).
        terms: Term index of each hit, shape (H,).
        right: Whether each is correct, shape (H,).
        scores: Scores, shape (H,).
        group: Number of hits with a score at least its own, shape (H,); equal scores share it.
        occurrences: How often each term is in each file, shape (U, T).
    """

    files: Int[Tensor, " H"]
    terms: Int[Tensor, " H"]
    right: Bool[Tensor, " H"]
    scores: Float[Tensor, " H"]
    group: Int[Tensor, " H"]
    occurrences: Float[Tensor, "U T"]

    @classmethod
    def of(cls, files: Tensor, terms: Tensor, right: Tensor, scores: Tensor, occurrences: Tensor) -> "RankedHits":
        """Build from hits in any order."""
        order = scores.argsort(descending=True, stable=True)
        ordered = scores[order].contiguous()
        group = torch.searchsorted(-ordered, -ordered, right=True)
        return cls(files=files[order], terms=terms[order], right=right[order], scores=ordered, group=group,
                   occurrences=occurrences)  # fmt: skip

    def only(self, term: int) -> "RankedHits":
        """Return the hits and occurrences of one term."""
        kept = self.terms == term
        return RankedHits.of(
            self.files[kept], torch.zeros_like(self.terms[kept]), self.right[kept], self.scores[kept],
            self.occurrences[:, term : term + 1],
        )  # fmt: skip


def average_precision(ranked: RankedHits, weights: Float[Tensor, "R U"]) -> Float[Tensor, " R"]:
    """Return AP of all hits in one list, 0..1; NaN where nothing occurs."""
    wanted = (weights @ ranked.occurrences).sum(1)
    if not len(ranked.files):
        return torch.where(wanted > 0, 0.0, torch.nan).double()
    own = weights[:, ranked.files]
    right = own * ranked.right
    before = ranked.group - 1
    precision = (right.cumsum(1)[:, before] / own.cumsum(1)[:, before].clamp(min=1e-12)).nan_to_num()
    return (right * precision).sum(1) / wanted


def mean_average_precision(by_term: list[RankedHits], weights: Float[Tensor, "R U"]) -> Float[Tensor, " R"]:
    """Return the mean of AP over the terms that occur."""
    return torch.stack([average_precision(one, weights) for one in by_term]).nanmean(0)


def term_weighted_values(
    ranked: RankedHits, weights: Float[Tensor, "R U"], trials: float, threshold: float, beta: float = BETA
) -> tuple[Float[Tensor, " R"], Float[Tensor, " R"]]:
    """Return the actual TWV (hits with a score of at least ``threshold``), and the greatest over all thresholds.

    At most 1, and 0 with no hits at all. ``trials`` (such as seconds of speech) are those of all files, shared evenly.
    """
    wanted = weights @ ranked.occurrences
    occurring = (wanted > 0).sum(1, keepdim=True)
    others = trials * weights.sum(1, keepdim=True) / weights.shape[1] - wanted
    gain = (1 / wanted / occurring).masked_fill(wanted == 0, 0.0)
    loss = (beta / others.clamp(min=1e-9) / occurring).masked_fill(wanted == 0, 0.0)
    own = weights[:, ranked.files]
    steps = own * torch.where(ranked.right, gain[:, ranked.terms], -loss[:, ranked.terms])
    none = torch.where(occurring[:, 0] > 0, 0.0, torch.nan).double()
    if not len(ranked.files):
        return none, none
    actual = none + steps[:, ranked.scores >= threshold].sum(1)
    ends = torch.unique(ranked.group) - 1
    return actual, none + steps.cumsum(1)[:, ends].amax(1).clamp(min=0)


def precision_recall_curve(ranked: RankedHits) -> list[tuple[float, float, float]]:
    """Return (threshold, precision, recall) at every score, from the highest."""
    weights = torch.ones(1, len(ranked.occurrences)).double()
    wanted = float((weights @ ranked.occurrences).sum())
    right = ranked.right.double().cumsum(0)
    return [
        (float(ranked.scores[end - 1]), float(right[end - 1]) / end, float(right[end - 1]) / wanted if wanted else 0.0)
        for end in torch.unique(ranked.group).tolist()
    ]
