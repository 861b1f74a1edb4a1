"""Temperature and calibration error against closed forms, brute force and the figures of the rest of the house."""

import math

import pytest
import torch

from capas.metrics.calibration import (
    calibration_error,
    fit_temperature,
    tag_confidences,
    temperature_scaling,
    top_class_confidences,
)
from capas.metrics.classification import expected_calibration_error as error_of_tasks


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def answers(n: int, seed: int, sharpness: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits whose softmax is the truth, multiplied by ``sharpness``, and targets drawn from it."""
    logits = 2 * torch.randn(n, 5, generator=rng(seed), dtype=torch.float64)
    targets = torch.multinomial(logits.softmax(1), 1, generator=rng(seed + 1))[:, 0]
    return sharpness * logits, targets


def tags(n: int, seed: int, sharpness: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    logits = 2 * torch.randn(n, 4, generator=rng(seed), dtype=torch.float64)
    return sharpness * logits, torch.rand(n, 4, generator=rng(seed + 1), dtype=torch.float64) < logits.sigmoid()


@pytest.mark.parametrize("made", [answers, tags])
def test_the_temperature_is_the_best_of_a_fine_grid(made: object) -> None:
    logits, targets = made(400, 0, 3.0)  # type: ignore[operator]
    grid = torch.linspace(0.5, 6, 1101, dtype=torch.float64)
    n, k = logits.shape
    # One imagined example that says nothing for classes; for tags one with and one without each.
    if made is answers:
        expected = torch.nn.functional.one_hot(targets, k) * (1 - 1 / (n + 2)) + 1 / (n + 2) / k
        losses = [-(expected * (logits / t).log_softmax(1)).sum(1).mean() for t in grid]
    else:
        expected = targets.double() * (1 - 2 / (n + 2)) + 1 / (n + 2)
        losses = [torch.nn.functional.binary_cross_entropy((logits / t).sigmoid(), expected) for t in grid]
    best = float(grid[torch.stack(losses).argmin()])
    assert fit_temperature(logits, targets) == pytest.approx(best, abs=0.006)


def test_what_was_made_too_sharp_is_mended_and_what_was_right_is_left() -> None:
    for made in (answers, tags):
        sharp = temperature_scaling(*made(2000, 0, 3.0), rng())
        assert sharp.kept and sharp.temperature == sharp.fitted == pytest.approx(3, rel=0.1)
        assert sharp.gain.value == pytest.approx(sharp.loss_before - sharp.loss_after) and sharp.gain.interval[0] > 0
        right = temperature_scaling(*made(2000, 0, 1.0), rng())
        assert not right.kept and right.temperature == 1 and right.fitted == pytest.approx(1, rel=0.1)


def test_without_an_error_certainty_is_that_of_the_number_of_examples_and_hopeless_logits_end_at_the_bound() -> None:
    targets = torch.arange(20) % 2
    right = torch.nn.functional.one_hot(targets, 2).double()
    # The true class is expected with 1 − 1/22 + 1/44: log(43) between the two logits, which differ by 1.
    assert fit_temperature(right, targets) == pytest.approx(1 / math.log(43), abs=1e-6)
    assert fit_temperature(-right, targets) == pytest.approx(10)
    with pytest.raises(ValueError, match="examples"):
        temperature_scaling(right[:3], targets[:3], rng())


def test_the_error_is_that_of_the_other_figures() -> None:
    logits, targets = answers(331, 3, 2.0)
    probabilities = logits.softmax(1)
    found = calibration_error(*top_class_confidences(probabilities, targets), rng())
    assert found.error.value == pytest.approx(error_of_tasks(probabilities, targets), abs=1e-12)
    assert sum(part.observed.n for part in found.bins) == found.error.n == 331
    gaps = [abs(part.confidence - part.observed.value) * part.observed.n for part in found.bins]
    assert found.error.value == pytest.approx(sum(gaps) / 331)
    assert all(one.high <= two.low for one, two in zip(found.bins, found.bins[1:], strict=False))


def test_tags_state_a_probability_each() -> None:
    probabilities, held = torch.tensor([[0.9, 0.2], [0.7, 0.4]]), torch.tensor([[True, False], [False, True]])
    stated, true = tag_confidences(probabilities, held)
    assert calibration_error(stated, true, rng(), bins=4).error.value == pytest.approx((0.1 + 0.2 + 0.7 + 0.6) / 4)


def test_chance_explains_what_a_calibrated_model_shows_and_no_more() -> None:
    explained = []
    for seed in range(20):
        stated = torch.rand(300, generator=rng(seed)) * 0.5 + 0.5
        true = torch.rand(300, generator=rng(seed + 500)) < stated
        explained.append(calibration_error(stated, true, rng(), draws=100).explained_by_chance)
    assert sum(explained) >= 16  # 19 of 20 expected
    wrong = calibration_error(torch.full((300,), 0.95), torch.rand(300, generator=rng()) < 0.7, rng())
    assert not wrong.explained_by_chance
    assert wrong.error.interval[0] > 0.15 and wrong.error.interval[0] <= wrong.error.value <= wrong.error.interval[1]


def test_no_statements_are_refused_and_one_is_enough() -> None:
    with pytest.raises(ValueError, match="statements"):
        calibration_error(torch.zeros(0), torch.zeros(0, dtype=torch.bool), rng())
    assert calibration_error(torch.tensor([0.8]), torch.tensor([True]), rng()).error.value == pytest.approx(0.2)
