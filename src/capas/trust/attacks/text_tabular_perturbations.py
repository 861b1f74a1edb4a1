"""Small changes of a text or a row that change the answer: misspelt words, numbers a little off; chosen one after
another for the greatest damage, beside as many at random.

After Pruthi, Dhingra & Lipton, "Combating Adversarial Misspellings with Robust Word Recognition", ACL 2019
(arXiv:1905.11268), who swap two inner letters of a word; the search is the greedy one of theirs.
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
    """``count`` places of an input that can be changed; ``apply`` makes the input with some of them changed."""

    count: int
    apply: Callable[[Sequence[int]], object]


def typo_perturbations(text: str, rng: torch.Generator) -> CandidatePerturbations:
    """In each of the first 40 words of four letters or more two neighbouring inner letters can be swapped."""
    words = text.split()
    places = [i for i, word in enumerate(words) if len(word) >= 4][:MAX_WORDS]
    swaps = {i: 1 + int(torch.randint(len(words[i]) - 3 + 1, (1,), generator=rng)) for i in places}

    def apply(chosen: Sequence[int]) -> str:
        changed = list(words)
        for number in chosen:
            i = places[number]
            at = min(swaps[i], len(changed[i]) - 2)
            changed[i] = changed[i][:at] + changed[i][at + 1] + changed[i][at] + changed[i][at + 2 :]
        return " ".join(changed)

    return CandidatePerturbations(count=len(places), apply=apply)


def numeric_perturbations(row: EncodedRows, step: float) -> CandidatePerturbations:
    """Each number of a row that is not missing can be ``step`` standard deviations greater, or less."""
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
    """The changes that harm most, each chosen with those before it in place; it stops where the answer is wrong."""
    chosen: list[int] = []
    for _ in range(min(max_changes, candidates.count)):
        rest = [i for i in range(candidates.count) if i not in chosen]
        scores = score([candidates.apply([*chosen, i]) for i in rest])
        chosen.append(rest[int(scores.argmin())])
        if float(scores.min()) <= 0:
            break
    return chosen


def random_perturbations(candidates: CandidatePerturbations, max_changes: int, rng: torch.Generator) -> list[int]:
    """As many changes by chance."""
    return torch.randperm(candidates.count, generator=rng)[:max_changes].tolist()
