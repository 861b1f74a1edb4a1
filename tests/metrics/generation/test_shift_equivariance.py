"""Shift equivariance in dB: known errors give known figures."""

import math

import pytest
import torch
from torch import Tensor

from capas.metrics.generation.shift_equivariance import shift_equivariance, whole_shifts

SCENE = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def rolled(shift: Tensor | None) -> Tensor:
    if shift is None:
        return SCENE
    pairs = zip(SCENE, shift.long().tolist(), strict=True)
    return torch.stack([image.roll((down, across), (1, 2)) for image, (across, down) in pairs])


def test_what_moves_as_a_whole_is_perfect() -> None:
    assert shift_equivariance(rolled, torch.tensor([[2, -1], [-2, 0]])) == math.inf


def test_an_error_of_a_known_size() -> None:
    found = shift_equivariance(
        lambda shift: rolled(shift) + (0 if shift is None else 0.02), torch.tensor([[1, 0], [0, 2]])
    )
    assert found == pytest.approx(40, abs=0.01)  # 20 log₁₀ (2 / 0.02)


def test_details_that_stick_to_the_pixels_cost_decibels() -> None:
    found = shift_equivariance(lambda shift: SCENE, torch.tensor([[1, 1], [2, 0]]))
    assert found == pytest.approx(10 * math.log10(4 / (2 * SCENE.var())), abs=1)


def test_shifts_are_whole_pixels_up_to_an_eighth() -> None:
    shifts = whole_shifts(500, 32, torch.Generator().manual_seed(0))
    assert (int(shifts.min()), int(shifts.max())) == (-4, 4)
    with pytest.raises(ValueError, match="shifts are"):
        shift_equivariance(rolled, torch.tensor([[16, 0], [0, 0]]))
