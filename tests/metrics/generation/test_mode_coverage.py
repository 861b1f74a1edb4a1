"""Modes of mixtures in the plane: drawn, hit and missed."""

import math

import pytest
import torch

from capas.metrics.generation.mode_coverage import grid_of_gaussians, mode_coverage, ring_of_gaussians


def test_draws_of_a_mixture_hit_all_its_modes() -> None:
    for mixture, modes in ((ring_of_gaussians(), 8), (grid_of_gaussians(), 25)):
        found = mode_coverage(mixture.draw(4000, torch.Generator().manual_seed(0)), mixture)
        assert (found.hit, found.modes) == (modes, modes)
        assert found.good.value == pytest.approx(1 - math.exp(-4.5), abs=0.006)  # within 3 deviations, in the plane


def test_modes_lie_where_they_should() -> None:
    ring, grid = ring_of_gaussians(), grid_of_gaussians()
    torch.testing.assert_close(ring.centres.norm(dim=1), torch.ones(8))
    assert torch.cdist(ring.centres, ring.centres).topk(2, largest=False).values[:, 1].tolist() == pytest.approx(
        [2 * math.sin(math.pi / 8)] * 8, abs=1e-5
    )
    assert len(set(map(tuple, grid.centres.tolist()))) == 25 and float(grid.centres.abs().max()) == 1


def test_one_mode_and_what_lies_between_modes() -> None:
    ring = ring_of_gaussians()
    collapsed = ring.centres[:1] + ring.deviation * torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    assert mode_coverage(collapsed, ring).hit == 1
    nowhere = torch.cat([torch.zeros(5, 2), torch.full((5, 2), math.nan)])
    found = mode_coverage(nowhere, ring)
    assert found.hit == 0 and found.good.value == 0 and found.good.n == 10
