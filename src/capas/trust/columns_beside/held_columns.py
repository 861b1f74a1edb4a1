"""A model as a function of its pictures or sounds alone, while each keeps the cells of its own row."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

import torch
from torch import Tensor, nn

from capas.data.tabular.preprocess import EncodedRows
from capas.engine.recipes.shared.spectrograms import Spectrograms
from capas.engine.recipes.single_output.audio.predictor import AudioReader
from capas.engine.recipes.single_output.columns_beside.predictor import PreparedWithColumns, ReaderWithColumns
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.trust.subjects.audio_inputs import UnitRangeAudioModel, waveforms_to_unit_range
from capas.trust.subjects.image_inputs import UnitRangeImageModel, images_to_unit_range
from capas.trust.subjects.model_functions import ForwardFunction


class HeldColumns(nn.Module):
    """Takes what the content network takes, and answers as the whole network does for these rows.

    Args:
        network: The whole network in its input adapter.
        rows: One row for each content of every batch, in order; or one row for all of them.
    """

    def __init__(self, network: nn.Module, rows: EncodedRows) -> None:
        super().__init__()
        self.network = network.get_submodule("network")
        self.rows = rows

    def forward(self, content: Tensor | Spectrograms) -> Tensor:
        """Return the raw outputs (B, K). Raises ValueError for another number of contents than of rows."""
        count = len(content.values if isinstance(content, Spectrograms) else content)
        numbers, categories = self.rows.numbers, self.rows.categories
        if len(numbers) == 1:
            numbers, categories = numbers.expand(count, -1), categories.expand(count, -1)
        if len(numbers) != count:
            raise ValueError(f"{count} contents for {len(numbers)} rows")
        outputs: Tensor = self.network(content, numbers, categories)
        return outputs


def rows_of(prepared: Sequence[object]) -> EncodedRows:
    """Return the encoded rows of prepared inputs."""
    rows = [cast(PreparedWithColumns, one).row for one in prepared]
    return EncodedRows(
        numbers=torch.cat([row.numbers for row in rows]), categories=torch.cat([row.categories for row in rows])
    )


def contents_of(prepared: Sequence[object]) -> list[object]:
    """Return the pictures or sounds of prepared inputs."""
    return [cast(PreparedWithColumns, one).content for one in prepared]


def unit_range_contents(reader: ReaderWithColumns, prepared: Sequence[object]) -> Tensor:
    """Return the pictures (B, C, H, W) or padded waveforms (B, N) in 0..1."""
    return _UNIT_RANGE[type(reader.content)](contents_of(prepared))


def forward_with_held_columns(reader: ReaderWithColumns, prepared: Sequence[object]) -> ForwardFunction:
    """Return the function from these inputs' contents in 0..1, whole batches in this order, to raw outputs."""
    held = HeldColumns(reader.network, rows_of(prepared))
    content = reader.content
    if isinstance(content, ImageReader):
        return UnitRangeImageModel(ImageReader(held, content.preparation))
    assert isinstance(content, AudioReader)
    return UnitRangeAudioModel(AudioReader(held, content.preparation))


_UNIT_RANGE: Final[Mapping[type, Callable[[Sequence[object]], Tensor]]] = {
    ImageReader: images_to_unit_range, AudioReader: waveforms_to_unit_range,
}  # fmt: skip
