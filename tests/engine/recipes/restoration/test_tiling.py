"""A picture in tiles is answered as it is whole, by a network that sees no further than the margin."""

import pytest
import torch
from torch import Tensor, nn

from capas.engine.recipes.restoration.tiling import MARGIN, apply_in_tiles
from tests.engine.recipes.made_work import FLOAT32


class Blurred(nn.Module):
    """Each pixel ``scale`` times, the mean of the 9 × 9 around it."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.seen: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(tuple(x.shape))
        mean = nn.functional.avg_pool2d(x, 9, stride=1, padding=4, count_include_pad=False)
        return mean.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)


@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize(("height", "width"), [(13, 11), (1, 17), (10, 5), (4, 3)])
def test_tiles_join_to_the_whole(scale: int, height: int, width: int) -> None:
    source, network = torch.rand(2, height, width), Blurred(scale)
    found = apply_in_tiles(network, source, scale, FLOAT32, tile=5)
    assert found.shape == (2, scale * height, scale * width)
    torch.testing.assert_close(found, network(source[None])[0])
    assert len(network.seen) - 1 == -(-height // 5) * -(-width // 5)


def test_each_tile_is_seen_with_a_margin_within_the_picture() -> None:
    network = Blurred(1)
    apply_in_tiles(network, torch.rand(1, 100, 50), 1, FLOAT32, tile=40)
    assert MARGIN == 32
    # Rows 0–72, 8–100 and 48–100; columns 0–50 and 8–50.
    assert network.seen == [(1, 1, h, w) for h in (72, 92, 52) for w in (50, 42)]


def test_a_small_picture_is_one_tile() -> None:
    network = Blurred(1)
    apply_in_tiles(network, torch.rand(3, 256, 20), 1, FLOAT32)
    assert network.seen == [(1, 3, 256, 20)]
