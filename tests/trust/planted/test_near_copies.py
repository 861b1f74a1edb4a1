"""Rows that were edited, softer sounds, masks of other pictures: found, and what is only alike is not."""

import numpy as np
import pytest
import torch

from capas.trust.label_quality.swapped_masks import class_shares, mask_agreement, swapped_masks
from capas.trust.leakage.near_duplicate_rows import near_duplicate_rows, rate_by_chance
from capas.trust.leakage.near_duplicate_sounds import near_duplicate_sounds, peak_correlation
from tests.trust.made_models import tone


def numbers(n: int, columns: int, values: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, values, (n, columns))


@pytest.mark.parametrize(("changed", "told"), [(0, True), (1, True), (2, False)])
def test_rows_that_differ_in_one_column_are_copies(changed: int, told: bool) -> None:
    train = numbers(300, 6, 1000)
    test = numbers(50, 6, 1000, seed=1)
    test[7] = train[42]
    test[7, :changed] = 5000
    found = near_duplicate_rows(train, test)
    assert [(leak.test, leak.train) for leak in found] == ([(7, 42)] if told else [])
    assert not told or found[0].similarity == pytest.approx(1 - changed / 6)


def test_a_column_that_numbers_the_rows_does_not_count() -> None:
    train, test = numbers(200, 5, 1000), numbers(20, 5, 1000, seed=1)
    test[3] = train[9]
    test[3, 1] = 7777
    apart = [np.concatenate([np.arange(start, start + len(rows))[:, None], rows], 1)
             for start, rows in ((0, train), (10_000, test))]  # fmt: skip
    (leak,) = near_duplicate_rows(*apart)
    assert (leak.test, leak.train) == (3, 9)


def test_rows_of_few_categories_are_alike_by_chance() -> None:
    """Four answers to five questions: of 1,000 rows many agree in four, and none of them is told."""
    train, test = numbers(1000, 5, 4), numbers(200, 5, 4, seed=1)
    assert near_duplicate_rows(train, test) == ()
    assert near_duplicate_rows(train[:, :2], test[:, :2]) == ()  # two columns are too few for any
    wide = near_duplicate_rows(numbers(1000, 6, 60), numbers(200, 6, 60, seed=1))
    assert wide == () and rate_by_chance(train, test, np.random.default_rng(0)).value == 0


@pytest.mark.parametrize(
    ("changed", "told"), [("softer", True), ("later", True), ("backwards", False), ("other", False)]
)
def test_sounds_that_are_softer_or_later_are_copies(changed: str, told: bool) -> None:
    rng = np.random.default_rng(0)
    train = [rng.normal(0, 0.1, 4000).astype(np.float32) * np.linspace(1, 0, 4000, dtype=np.float32) for _ in range(12)]
    one = train[5]
    noise = rng.normal(0, 0.004, 4000).astype(np.float32)
    late = np.concatenate([np.zeros(200, np.float32), one])[:4000]
    other = rng.normal(0, 0.1, 4000).astype(np.float32)
    heard = {"softer": 0.3 * (one + noise), "later": late + noise, "backwards": one[::-1].copy(), "other": other}
    assert [(leak.test, leak.train) for leak in near_duplicate_sounds(train, [heard[changed]])] == (
        [(0, 5)] if told else []
    )
    assert near_duplicate_sounds(train, [one], own=[5]) == () and near_duplicate_sounds([], [one]) == ()


def test_the_correlation_of_waveforms_does_not_depend_on_loudness_or_start() -> None:
    wave = tone(440, 0.2) * np.hanning(1600).astype(np.float32)
    late = np.concatenate([np.zeros(500, np.float32), 0.1 * wave])
    assert peak_correlation(wave, late) == pytest.approx(1.0, abs=1e-4)
    assert peak_correlation(wave, tone(1234, 0.2)) < 0.3 and peak_correlation(wave, np.zeros(99, np.float32)) == 0


def discs(n: int, seed: int = 0) -> torch.Tensor:
    """Shares of a disc (class 1) on a ground, one place each."""
    rng, (i, j) = np.random.default_rng(seed), np.indices((48, 48))
    masks = [(i - y) ** 2 + (j - x) ** 2 < 81 for y, x in rng.integers(8, 40, (n, 2))]
    return torch.stack([class_shares(torch.from_numpy(mask.astype(np.uint8)), 2) for mask in masks])


def test_masks_of_other_pictures_are_named_with_the_picture_that_they_fit() -> None:
    own = discs(40, seed=1)
    drawn = 0.9 * own + 0.1 * own.flip(1)
    assert swapped_masks(drawn, own, own) == []
    mixed = own.clone()
    mixed[[3, 8, 20]] = own[[8, 20, 3]]
    found = swapped_masks(drawn, mixed, mixed)
    assert found == [(3, 20), (8, 3), (20, 8)]


def test_a_mask_that_the_model_misses_everywhere_is_not_of_another_picture() -> None:
    own = discs(40)
    drawn = own.clone()
    drawn[5] = torch.stack([torch.ones(24, 24), torch.zeros(24, 24)])  # sees nothing there
    assert swapped_masks(drawn, own, own) == []
    assert mask_agreement(own[:2], own[:2]).diagonal().tolist() == pytest.approx([1, 1])
