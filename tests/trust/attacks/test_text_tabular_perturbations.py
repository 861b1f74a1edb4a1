"""Typos and nudges: single changes as stated, and a greedy search that finds the worst of them."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from capas.data.tabular.preprocess import EncodedRows
from capas.trust.attacks.text_tabular_perturbations import (
    CandidatePerturbations,
    greedy_attack,
    numeric_perturbations,
    random_perturbations,
    typo_perturbations,
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def differences(a: str, b: str) -> list[tuple[str, str]]:
    return [(one, two) for one, two in zip(a.split(), b.split(), strict=True) if one != two]


def test_a_typo_swaps_two_neighbours_and_leaves_the_first_letter() -> None:
    text = "the harbour was  quiet at dusk and boats slept"
    for seed in range(20):
        typos = typo_perturbations(text, rng(seed))
        assert typos.count == 5  # harbour, quiet, dusk, boats, slept
        assert typos.apply([]) == " ".join(text.split())
        for i, word in enumerate(("harbour", "quiet", "dusk", "boats", "slept")):
            ((before, after),) = differences(text, str(typos.apply([i])))
            assert before == word and after[0] == word[0]
            moved = [k for k in range(len(word)) if word[k] != after[k]]
            assert len(moved) == 2 and moved[1] == moved[0] + 1 and sorted(after) == sorted(word)
        assert len(differences(text, str(typos.apply(range(5))))) == 5


def test_every_inner_pair_of_letters_may_be_swapped() -> None:
    made = {str(typo_perturbations("abcdef", rng(seed)).apply([0])) for seed in range(60)}
    assert made >= {"acbdef", "abdcef", "abcedf"}


def test_the_last_letter_stays() -> None:
    for seed in range(20):
        assert typo_perturbations("dusk", rng(seed)).apply([0]) == "dsuk"
        assert str(typo_perturbations("abcdef", rng(seed)).apply([0])).endswith("f")


def test_words_of_four_letters_or_more_can_be_misspelt_forty_at_most() -> None:
    assert typo_perturbations("a to the sea", rng()).count == 0
    assert typo_perturbations("word " * 60, rng()).count == 40
    assert typo_perturbations("", rng()).count == 0


def row(*numbers: float) -> EncodedRows:
    return EncodedRows(numbers=torch.tensor([numbers]), categories=torch.tensor([[3]]))


def test_numbers_move_up_or_down_and_missing_ones_stay() -> None:
    given = row(1.0, float("nan"), -2.0)
    nudges = numeric_perturbations(given, 0.25)
    made = [nudges.apply([i]) for i in range(nudges.count)]
    assert all(isinstance(one, EncodedRows) for one in made) and nudges.count == 4
    found = [one.numbers.nan_to_num(99).tolist()[0] for one in made if isinstance(one, EncodedRows)]
    assert found == [[1.25, 99, -2], [0.75, 99, -2], [1, 99, -1.75], [1, 99, -2.25]]
    both = nudges.apply([0, 3])
    assert isinstance(both, EncodedRows) and both.numbers[0, [0, 2]].tolist() == [1.25, -2.25]
    assert both.categories.tolist() == [[3]] and given.numbers[0, 0] == 1


def subset(count: int) -> CandidatePerturbations:
    """The input is the set of the changes."""
    return CandidatePerturbations(count=count, apply=frozenset)


def test_the_greedy_search_takes_the_most_harmful_first_and_stops_when_it_is_wrong() -> None:
    asked = list[int]()

    def score(inputs: Sequence[object]) -> Tensor:
        asked.append(len(inputs))
        costs = (0.1, 0.5, 0.2, 0.4)
        return torch.tensor([1 - sum(costs[i] for i in one) for one in inputs])  # type: ignore[attr-defined]

    # 1 − 0.5 − 0.4 − 0.2 is the first that is not above zero.
    assert greedy_attack(subset(4), score, 9) == [1, 3, 2] and asked == [4, 3, 2]
    assert greedy_attack(subset(4), score, 2) == [1, 3]
    assert greedy_attack(subset(0), score, 2) == []


def test_each_change_is_chosen_given_those_before_it() -> None:
    def score(inputs: Sequence[object]) -> Tensor:
        # 0 alone is best; with it only 2 does anything more.
        value = {frozenset({0}): 0.6, frozenset({1}): 0.7, frozenset({2}): 0.9, frozenset({0, 2}): 0.2}
        return torch.tensor([value.get(frozenset(one), 0.8) for one in inputs])  # type: ignore[call-overload]

    assert greedy_attack(subset(3), score, 2) == [0, 2]


@pytest.mark.parametrize(("most", "count"), [(2, 2), (9, 5), (0, 0)])
def test_the_control_draws_as_many_different_ones(most: int, count: int) -> None:
    chosen = random_perturbations(subset(5), most, rng())
    assert len(chosen) == len(set(chosen)) == count and set(chosen) <= set(range(5))
    assert chosen == random_perturbations(subset(5), most, rng())
    assert len({tuple(random_perturbations(subset(5), 5, rng(seed))) for seed in range(9)}) > 3
