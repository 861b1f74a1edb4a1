"""The input side of trained text models."""

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from torch import Tensor, nn

from capas.bundle.export import Exportable
from capas.data.collections import ExampleCollection, TextCollection
from capas.engine.recipe import Item
from capas.engine.recipes.shared.forward import DataclassInputAdapter
from capas.engine.recipes.shared.text_items import read_text_item, text_item, text_items
from capas.engine.recipes.single_output.hub_backbone.text_encoding import HubTextEncoding
from capas.engine.recipes.single_output.text.encodings import (
    TextEncoding,
    TextInputs,
)
from capas.engine.recipes.single_output.text.export import exportable_texts


class TextReader:
    """Reads and encodes texts for a trained model (``InputReader``)."""

    def __init__(self, network: nn.Module, encoding: TextEncoding | HubTextEncoding) -> None:
        self.network = network
        self.encoding = encoding

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return text_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return text_item(content, number)

    def preprocess(self, item: Item) -> str:
        return read_text_item(item)

    def preprocess_example(self, inputs: ExampleCollection, index: int) -> str:
        assert isinstance(inputs, TextCollection)
        return inputs.texts[index]

    def collate(self, prepared: Sequence[object]) -> TextInputs | Tensor:
        return self.encoding.encode(cast(Sequence[str], prepared))

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        network = self.network.network if isinstance(self.network, DataclassInputAdapter) else self.network
        return exportable_texts(network, self.encoding, cast(Sequence[str], prepared))
