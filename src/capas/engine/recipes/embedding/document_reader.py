"""The input side of trained encoders of documents."""

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.bundle.export import Exportable, ExportInput
from capas.core.errors import CapasError
from capas.data.collections import ExampleCollection, TextCollection
from capas.data.text.word_counts import WordCounter, thinned, word_shares
from capas.engine.recipe import Item
from capas.engine.recipes.shared.text_items import read_text_item, text_item, text_items


class DocumentReader:
    """Texts as shares of the words of a vocabulary (``EmbeddingReader``); prepared inputs are strings."""

    def __init__(self, network: nn.Module, counter: WordCounter, kept: float) -> None:
        self.network = network
        self.counter = counter
        self.kept = kept

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return text_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return text_item(content, number)

    def preprocess(self, item: Item) -> str:
        """Return the text. Raises CapasError ``no_known_word`` and those of ``read_text_item``."""
        text = read_text_item(item)
        if self.is_empty(text):
            raise CapasError("no_known_word", where=item.name, received=len(self.counter.words))
        return text

    def preprocess_example(self, inputs: ExampleCollection, index: int) -> str:
        assert isinstance(inputs, TextCollection)
        return inputs.texts[index]

    def counts(self, prepared: Sequence[object]) -> Float[Tensor, "B V"]:
        """Return the counts of the words of texts."""
        return torch.from_numpy(self.counter.counts(cast(Sequence[str], prepared)).toarray())

    def collate(self, prepared: Sequence[object]) -> Tensor:
        return word_shares(self.counts(prepared))

    def views(self, prepared: Sequence[object], rng: torch.Generator) -> Tensor:
        return word_shares(thinned(self.counts(prepared), self.kept, rng))

    def is_empty(self, prepared: object) -> bool:
        return int(self.counter.counts([cast(str, prepared)]).nnz) == 0

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        words = len(self.counter.words)
        made = torch.poisson(torch.full((4, words), 0.5), generator=torch.Generator().manual_seed(0))
        counts = self.counts(prepared) if prepared else made
        given = ExportInput(
            name="counts", axes=("batch", words), example=made,
            values="how often each text has each word of the list, all in lower case",
        )  # fmt: skip
        return Exportable(
            network=CountsEncoder(self.network), inputs=[given], output="outputs", axes=("batch",),
            compared=[(counts,)], count=len(counts), vocabulary=self.counter.as_json(),
        )  # fmt: skip


class CountsEncoder(nn.Module):
    """An encoder of documents that takes counts of words instead of shares."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, counts_BV: Float[Tensor, "B V"]) -> Float[Tensor, "B D"]:
        """Return the codes."""
        codes: Tensor = self.network(word_shares(counts_BV))
        return codes
