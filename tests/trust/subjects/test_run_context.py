"""A run's random streams are apart by purpose and seed, and its examples keep their names."""

import torch

from capas.trust.subjects.run_context import RunContext
from tests.trust.made_models import half_pictures, made_context, table_rows


def test_each_purpose_draws_from_a_stream_of_the_run_s_own() -> None:
    def run(seed: int) -> RunContext:
        settings = {"train.seed": seed}
        return made_context(half_pictures([0, 1]), [0, 1], ["train", "test"], classes=("a", "b"), settings=settings)

    drawn = torch.rand(5, generator=run(1).rng("ood"))
    assert torch.equal(drawn, torch.rand(5, generator=run(1).rng("ood")))
    assert not torch.equal(drawn, torch.rand(5, generator=run(1).rng("labels")))
    assert not torch.equal(drawn, torch.rand(5, generator=run(2).rng("ood")))


def test_the_problem_is_that_of_the_record() -> None:
    pictures = made_context(half_pictures([0, 1]), [0, 1], ["train", "test"], classes=("a", "b"))
    assert (pictures.task, pictures.medium, pictures.classes) == ("classify", "image", ("a", "b"))
    assert pictures.example_names(torch.tensor([1, 0])) == ["pictures/00001", "pictures/00000"]
    rows = made_context(table_rows({"x": [1.0]}), [(3.0,)], ["test"], task="regress")
    assert (rows.task, rows.medium, rows.classes) == ("regress", "table", ())
    assert rows.example_names(torch.tensor([], dtype=torch.long)) == []
