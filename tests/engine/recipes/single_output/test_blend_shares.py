"""Shares of the parts of a model: what each says about examples that it has not learnt from decides."""

import pytest
import torch

from capas.core.spec import OutputKind
from capas.engine.recipes.single_output.blend_shares import fit_blend_shares

RNG = torch.Generator().manual_seed(0)


def test_of_numbers_two_noisy_parts_are_shared_by_their_precision() -> None:
    truth = torch.randn(4000, 1, generator=RNG)
    parts = {"a": truth + torch.randn(4000, 1, generator=RNG), "b": truth + 2 * torch.randn(4000, 1, generator=RNG)}
    # Independent errors with variances 1 and 4: the least variance has shares 4/5 and 1/5.
    assert fit_blend_shares(parts, truth, "numbers") == pytest.approx({"a": 0.8, "b": 0.2}, abs=0.03)


@pytest.mark.parametrize("kind", ["class", "tags"])
def test_what_knows_nothing_is_left_out(kind: OutputKind) -> None:
    labels = torch.randint(2, (500,), generator=RNG)
    sure = torch.nn.functional.one_hot(labels, 2).float() * 0.9 + 0.05
    targets = labels if kind == "class" else torch.nn.functional.one_hot(labels, 2).bool()
    found = fit_blend_shares({"knows": sure, "coin": torch.full((500, 2), 0.5)}, targets, kind)
    assert found == {"knows": 1.0}


def test_with_next_to_no_examples_shares_stay_near_equal() -> None:
    found = fit_blend_shares(
        {"a": torch.tensor([[0.9, 0.1]]), "b": torch.tensor([[0.4, 0.6]])}, torch.tensor([0]), "class"
    )
    assert 0.5 < found["a"] < 0.7 and sum(found.values()) == pytest.approx(1)


def test_where_parts_say_the_same_they_count_the_same() -> None:
    one = torch.tensor([[0.8, 0.2]] * 50)
    found = fit_blend_shares({"a": one, "b": one}, torch.zeros(50, dtype=torch.int64), "class")
    assert found == pytest.approx({"a": 0.5, "b": 0.5}, abs=1e-3)
