"""The objective by hand, and thresholds: exact where there is much to go by, careful where there is little."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from capas.decoding.thresholds import apply_thresholds, tune_thresholds
from capas.objectives.multilabel import MultilabelClassification, positive_weights
from tests.harness import step_context


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    inputs: Tensor
    targets: Tensor


def test_the_loss_is_the_surprise_at_all_tags_of_an_example() -> None:
    logits, tags = torch.tensor([[0.3, -2.0], [1.5, 0.0]]), torch.tensor([[True, False], [False, True]])
    batch = Batch(inputs=logits, targets=tags)
    objective = MultilabelClassification(nn.Identity())
    p = logits.sigmoid()
    expected = -(p[0, 0].log() + (1 - p[0, 1]).log() + (1 - p[1, 0]).log() + p[1, 1].log()) / 2
    torch.testing.assert_close(objective.losses(batch, objective.phases[0], step_context())["loss"], expected)
    weighted = MultilabelClassification(nn.Identity(), positive_weights=torch.tensor([3.0, 1.0]))
    expected = -(3 * p[0, 0].log() + (1 - p[0, 1]).log() + (1 - p[1, 0]).log() + p[1, 1].log()) / 2
    torch.testing.assert_close(weighted.loss(logits, tags), expected)


def test_rare_tags_weigh_more_within_bounds() -> None:
    tags = torch.zeros(100, 4, dtype=torch.bool)
    tags[:80, 0] = tags[:25, 1] = tags[:1, 2] = True
    assert positive_weights(tags).tolist() == [1.0, 3.0, 10.0, 10.0]


def f1(probabilities: Tensor, tags: Tensor, thresholds: Tensor) -> Tensor:
    called = apply_thresholds(probabilities, thresholds)
    return 2 * (called & tags).sum(0) / (called.sum(0) + tags.sum(0)).clamp(min=1)


def test_without_prior_each_threshold_is_the_best_of_all() -> None:
    rng = torch.Generator().manual_seed(1)
    probabilities = torch.rand(60, 5, generator=rng)
    tags = torch.rand(60, 5, generator=rng) < probabilities
    tuned = f1(probabilities, tags, tune_thresholds(probabilities, tags, prior=0.0))
    every = torch.stack([f1(probabilities, tags, torch.full((5,), t)) for t in torch.linspace(0.005, 0.995, 199)])
    torch.testing.assert_close(tuned, every.amax(0))


def test_the_threshold_stands_in_the_middle_of_a_gap() -> None:
    probabilities = torch.tensor([[0.1], [0.2], [0.7], [0.9]])
    tags = torch.tensor([[False], [False], [True], [True]])
    assert tune_thresholds(probabilities, tags, prior=0.0).item() == pytest.approx(0.45, abs=0.006)


def test_with_a_large_prior_all_tags_share_the_threshold_that_is_best_for_all() -> None:
    rng = torch.Generator().manual_seed(2)
    probabilities = torch.rand(200, 4, generator=rng)
    tags = torch.rand(200, 4, generator=rng) < probabilities**2
    thresholds = tune_thresholds(probabilities, tags, prior=1e9)
    assert len(thresholds.unique()) == 1
    together = tune_thresholds(probabilities.reshape(-1, 1), tags.reshape(-1, 1), prior=0.0)
    assert thresholds[0] == together[0]


def test_a_tag_never_seen_gets_the_common_threshold() -> None:
    rng = torch.Generator().manual_seed(3)
    probabilities = torch.rand(200, 3, generator=rng)
    tags = torch.rand(200, 3, generator=rng) < probabilities
    probabilities[:, 2] *= 0.01
    tags[:, 2] = False
    common = tune_thresholds(probabilities, tags, prior=1e9)[0]
    assert tune_thresholds(probabilities, tags)[2] == pytest.approx(float(common), abs=1e-6)


def rare_and_common(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """20 rare tags with calibrated probabilities, and two common ones whose probabilities are stated far too low."""
    truth = torch.rand(n, 22, generator=rng) ** torch.tensor([30.0] * 20 + [1.5] * 2)
    stated = truth.clone()
    stated[:, 20:] = truth[:, 20:] ** 3
    return stated, torch.rand(n, 22, generator=rng) < truth


def test_the_prior_does_better_on_new_examples_than_none_and_than_one_threshold_for_all() -> None:
    rng = torch.Generator().manual_seed(4)
    new = rare_and_common(40_000, rng)
    figures: dict[float, list[Tensor]] = {0.0: [], 20.0: [], 1e9: []}
    for _ in range(12):
        probabilities, tags = rare_and_common(150, rng)
        for prior, values in figures.items():
            values.append(f1(*new, tune_thresholds(probabilities, tags, prior=prior)))
    alone, ours, shared = (torch.stack(values).mean(0) for values in figures.values())
    assert ours[:20].mean() > alone[:20].mean() + 0.02, "rare tags: tuned alone they overfit"
    assert ours[20:].mean() > shared[20:].mean() + 0.02, "common tags: they know better than the others"
