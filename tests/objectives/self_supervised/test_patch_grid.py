"""Nine patches: where they are cut, that chance alone moves them, and that brightness gives nothing away."""

import pytest
import torch
from torch import Tensor

from capas.objectives.self_supervised.patch_grid import PatchGrid, normalise_patches
from tests.objectives.self_supervised.toys import context


def places(grid: PatchGrid, height: int, width: int, seed: int) -> tuple[Tensor, Tensor]:
    """First row and column of each patch of eight images, by images whose pixels are their own coordinates."""
    axes = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    images = torch.stack(axes)[None].expand(8, -1, -1, -1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("capas.objectives.self_supervised.patch_grid.normalise_patches", lambda patches: patches)
        cut = grid.cut(images, context(seed))
    assert cut.shape == (8, 9, 2, grid.patch, grid.patch)
    first = cut[..., :1, :1]
    steps = torch.arange(grid.patch)
    assert torch.equal(cut[:, :, 0], (first[:, :, 0] + steps[:, None]).expand_as(cut[:, :, 0]))
    assert torch.equal(cut[:, :, 1], (first[:, :, 1] + steps).expand_as(cut[:, :, 1]))
    return first[:, :, 0, 0, 0], first[:, :, 1, 0, 0]


def test_patches_lie_in_a_grid_with_gap_and_jitter() -> None:
    grid = PatchGrid(patch=8, gap=3, jitter=1)
    rows, columns = places(grid, 40, 36, 0)
    for corners, number, slack in ((rows, torch.arange(9) // 3, 40 - 32), (columns, torch.arange(9) % 3, 36 - 32)):
        rest = corners - 11 * number  # the place of the grid, and the jitter
        assert (rest.amax(1) - rest.amin(1) <= 2).all() and (rest.amax(1) > rest.amin(1)).any()
        assert rest.min() >= 0 and rest.max() <= slack + 2 and len(rest.amin(1).unique()) > 1
    assert not torch.equal(rows, places(grid, 40, 36, 1)[0])


@pytest.mark.parametrize("side", [24, 25, 28, 31, 32, 64, 97, 224])
def test_the_grid_fills_the_image(side: int) -> None:
    grid = PatchGrid.fit(side, side + 5)
    assert side - 1 <= grid.side <= side and grid.patch >= 8
    assert side < 28 or (grid.gap >= 1 and grid.jitter >= 1)


def test_images_without_room_for_nine_patches_are_refused() -> None:
    with pytest.raises(ValueError, match="24 pixels"):
        PatchGrid.fit(23, 100)
    with pytest.raises(ValueError, match="side of 20"):
        PatchGrid(patch=8, gap=0, jitter=0).cut(torch.zeros(1, 1, 30, 20), context())


def test_brightness_and_contrast_of_a_patch_do_not_show() -> None:
    patches = torch.randn(2, 9, 3, 8, 8)
    brighter = patches * torch.rand(2, 9, 3, 1, 1).add(0.5) + torch.randn(2, 9, 3, 1, 1)
    torch.testing.assert_close(normalise_patches(brighter), normalise_patches(patches), rtol=1e-3, atol=1e-4)
    assert normalise_patches(patches).std((3, 4), correction=0).sub(1).abs().max() < 1e-4
    assert not normalise_patches(torch.full((1, 9, 1, 8, 8), 7.0)).any()
