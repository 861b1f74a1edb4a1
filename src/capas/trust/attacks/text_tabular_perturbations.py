"""Greedy perturbations of texts (typos) and of table rows (numbers a little off), with random ones as the control.

After Pruthi, Dhingra & Lipton, "Combating Adversarial Misspellings with Robust Word Recognition", ACL 2019
(arXiv:1905.11268), who swap two inner letters of a word; the search is their greedy one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from capas.data.tabular.preprocess import EncodedRows

MAX_WORDS = 40
MarginFunction = Callable[[Sequence[object]], Tensor]
"""Prepared inputs → how right the answer is (B): greater is better, ≤ 0 is wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CandidatePerturbations:
    """The single changes that an input allows.

    Attributes:
        count: Number of positions that can be changed.
        apply: Maps the positions to change to the perturbed input.
    """

    count: int
    apply: Callable[[Sequence[int]], object]


def typo_perturbations(text: str, rng: torch.Generator) -> CandidatePerturbations:
    """Swap two neighbouring inner letters in any of the first 40 words of four letters or more."""
    words = text.split()
    places = [i for i, word in enumerate(words) if len(word) >= 4][:MAX_WORDS]
    swaps = {i: 1 + int(torch.randint(len(words[i]) - 3, (1,), generator=rng)) for i in places}

    def apply(chosen: Sequence[int]) -> str:
        changed = list(words)
        for number in chosen:
            i = places[number]
            at = swaps[i]
            changed[i] = changed[i][:at] + changed[i][at + 1] + changed[i][at] + changed[i][at + 2 :]
        return " ".join(changed)

    return CandidatePerturbations(count=len(places), apply=apply)


def numeric_perturbations(row: EncodedRows, step: float) -> CandidatePerturbations:
    """Move any number of a row that is not missing up or down by ``step`` standard deviations."""
    there = (~row.numbers[0].isnan()).nonzero().flatten().tolist()
    ways = [(column, sign) for column in there for sign in (1.0, -1.0)]

    def apply(chosen: Sequence[int]) -> EncodedRows:
        numbers = row.numbers.clone()
        for number in chosen:
            column, sign = ways[number]
            numbers[0, column] += sign * step
        return EncodedRows(numbers=numbers, categories=row.categories)

    return CandidatePerturbations(count=len(ways), apply=apply)


def greedy_attack(candidates: CandidatePerturbations, score: MarginFunction, max_changes: int) -> list[int]:
    """Return the changes that lower the score most, each chosen given those before it; stops at a misclassification."""
    chosen: list[int] = []
    for _ in range(min(max_changes, candidates.count)):
        rest = [i for i in range(candidates.count) if i not in chosen]
        scores = score([candidates.apply([*chosen, i]) for i in rest])
        chosen.append(rest[int(scores.argmin())])
        if float(scores.min()) <= 0:
            break
    return chosen


def random_perturbations(candidates: CandidatePerturbations, max_changes: int, rng: torch.Generator) -> list[int]:
    """Return ``max_changes`` random changes, or all there are: the control."""
    return torch.randperm(candidates.count, generator=rng)[:max_changes].tolist()
