"""The input side of trained image models."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from capas.bundle.export import Exportable
from capas.data.collections import ExampleCollection
from capas.data.image.io import ImageCollection
from capas.data.image.preprocess import ImagePreprocessing
from capas.engine.recipe import Item
from capas.engine.recipes.shared.image_export import exportable_images
from capas.engine.recipes.shared.image_items import image_items, read_image_item


class ImageReader:
    """Reads and preprocesses images for a trained model (``InputReader``)."""

    def __init__(self, network: nn.Module, preparation: ImagePreprocessing) -> None:
        self.network = network
        self.preparation = preparation

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return image_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        named = isinstance(content, str | Path)
        return Item(name=str(content) if named else f"array {number}", content=content)

    def preprocess(self, item: Item) -> UInt8[Tensor, "C H W"]:
        return self._fitted(read_image_item(item))

    def preprocess_example(self, inputs: ExampleCollection, index: int) -> UInt8[Tensor, "C H W"]:
        assert isinstance(inputs, ImageCollection)
        return self._fitted(inputs.decode(index))

    def _fitted(self, picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> UInt8[Tensor, "C H W"]:
        return torch.from_numpy(self.preparation.fit_image(picture).copy()).permute(2, 0, 1)

    def collate(self, prepared: Sequence[object]) -> Float[Tensor, "B C H W"]:
        return self.preparation.normalise(torch.stack([p for p in prepared if isinstance(p, Tensor)]))

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        return exportable_images(self.network, self.preparation, [p for p in prepared if isinstance(p, Tensor)])
