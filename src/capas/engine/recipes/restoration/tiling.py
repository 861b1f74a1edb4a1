"""Tiled inference: an image is processed in tiles with a margin wider than the receptive field of any network used
here, so that the result does not depend on the tiles.
"""

import torch
from torch import Tensor, nn

from capas.engine.execution import Execution
from capas.engine.recipes.shared.forward import forward_batch

TILE, MARGIN = 256, 32


def apply_in_tiles(network: nn.Module, source: Tensor, scale: int, execution: Execution, *, tile: int = TILE) -> Tensor:
    """Return the network's output for ``source`` (C, H, W), ``scale`` times as large, assembled from tiles of ``tile``
    pixels.
    """
    height, width = source.shape[1:]
    rows = []
    for top in range(0, height, tile):
        row = [_one_tile(network, source, scale, execution, (top, left, tile)) for left in range(0, width, tile)]
        rows.append(torch.cat(row, dim=2))
    return torch.cat(rows, dim=1)


def _one_tile(
    network: nn.Module, source: Tensor, scale: int, execution: Execution, place: tuple[int, int, int]
) -> Tensor:
    top, left, tile = place
    first_row, first_column = max(0, top - MARGIN), max(0, left - MARGIN)
    part = source[:, first_row : top + tile + MARGIN, first_column : left + tile + MARGIN]
    answer = forward_batch(network, part[None], execution)[0]
    rows, columns = min(tile, source.shape[1] - top), min(tile, source.shape[2] - left)
    start_row, start_column = scale * (top - first_row), scale * (left - first_column)
    return answer[:, start_row : start_row + scale * rows, start_column : start_column + scale * columns]
