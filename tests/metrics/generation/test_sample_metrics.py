"""Density, coverage, Fréchet and kernel distance against prdc and torch-fidelity, and what they say of known data."""

import math

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from capas.metrics.generation.density_coverage import density_coverage
from capas.metrics.generation.frechet_distance import frechet_distance
from capas.metrics.generation.kernel_distance import KernelDistance, kernel_distance, squared_mmd
from tests.harness import FIXTURES

RECORDED = load_file(FIXTURES / "generation" / "metrics.safetensors")
REAL, MADE = RECORDED["real"], RECORDED["made"]


def normal(count: int, numbers: int, seed: int, *, shift: float = 0.0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(count, numbers, generator=rng, dtype=torch.float64) + shift


def test_density_and_coverage_equal_prdc() -> None:
    found = density_coverage(REAL, MADE)
    assert found.density == pytest.approx(float(RECORDED["density"]), abs=1e-12)
    assert found.coverage.value == pytest.approx(float(RECORDED["coverage"]), abs=1e-12)
    assert found.coverage.n == len(REAL)
    low, high = found.density_interval
    assert low < found.density < high


def test_density_and_coverage_of_what_is_alike_of_less_and_of_nothing_alike() -> None:
    real = normal(300, 4, 0)
    alike, one_place, other = (
        density_coverage(real, made)
        for made in (normal(300, 4, 1), 0.1 * normal(300, 4, 1), normal(300, 4, 1, shift=9))
    )
    assert alike.density == pytest.approx(1, abs=0.15) and alike.coverage.value > 0.9
    assert one_place.density > 1.3 and one_place.coverage.value < 0.4
    assert other.density == 0 and other.coverage.value == 0
    for sides in ((real[:1], real), (real, real[:0])):
        with pytest.raises(ValueError, match="expected two and one"):
            density_coverage(*sides)


def test_equal_examples_have_balls_that_hold_nothing() -> None:
    # By products of matrices, in float32, equal examples would be up to 0.09 apart.
    places = 30 * torch.randn(6, 1, 40, generator=torch.Generator().manual_seed(3))
    same = places.expand(6, 10, 40).reshape(60, 40)
    assert density_coverage(same, same + 1e-3).coverage.value == 0


def test_frechet_distance_equals_torch_fidelity() -> None:
    assert frechet_distance(REAL, MADE) == pytest.approx(float(RECORDED["frechet"]), rel=1e-8)
    assert frechet_distance(REAL, REAL) == pytest.approx(0, abs=1e-8)
    # Shifted by 1 in each of 5 numbers: nothing else changes.
    assert frechet_distance(REAL, REAL + 1) == pytest.approx(5)


def test_frechet_distance_of_the_same_distribution_is_not_zero_and_shrinks_with_examples() -> None:
    floors = [frechet_distance(normal(n, 64, 2 * n), normal(n, 64, 2 * n + 1)) for n in (500, 2000)]
    assert floors == pytest.approx([4.4, 1.1], abs=0.25)


def test_kernel_distance_equals_torch_fidelity() -> None:
    assert squared_mmd(REAL[:50], MADE) == pytest.approx(float(RECORDED["kernel"]), rel=1e-10)


def test_kernel_distance_is_unbiased_and_its_interval_holds_the_truth() -> None:
    def drawn(count: int, shift: float) -> list[KernelDistance]:
        sides = ((normal(80, 6, 2 * seed), normal(80, 6, 2 * seed + 1, shift=shift)) for seed in range(count))
        return [kernel_distance(*both, subsets=15) for both in sides]

    same = drawn(15, 0.0)
    values = torch.tensor([one.value for one in same])
    assert abs(float(values.mean())) < 3 * float(values.std()) / math.sqrt(15)
    assert values.min() < 0 < values.max()
    assert all(one.interval[0] <= 0 <= one.interval[1] for one in same)
    # Far apart the distance varies from one set of examples to the next as much as the interval says.
    apart = drawn(80, 1.0)
    said = sum(one.interval[1] - one.interval[0] for one in apart) / len(apart) / (2 * 1.96)
    assert said / float(torch.tensor([one.value for one in apart]).std()) == pytest.approx(0.95, abs=0.17)
    assert all(one.interval[0] > 0 for one in apart)
    with pytest.raises(ValueError, match="four or more"):
        kernel_distance(REAL[:3], MADE)


def test_the_interval_shrinks_with_the_number_of_examples_not_with_the_size_of_subsets() -> None:
    widths = []
    for count in (800, 3200):
        low, high = kernel_distance(normal(count, 6, 0), normal(count, 6, 1, shift=0.5), subsets=30).interval
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(2, rel=0.35)
