"""A trained encoder in use: vectors of images, sounds or texts."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import torch
from torch import Tensor, nn

from capas.bundle.export import Exportable
from capas.core.rng import seeded_generator
from capas.core.spec import Spec
from capas.data.inspect.report import DatasetReport
from capas.engine.recipe import Item, Prediction, TestResult
from capas.engine.recipes.embedding.document_reader import DocumentReader
from capas.engine.recipes.embedding.evaluate import MAX_EXAMPLES, check_enough_examples, evaluate_embeddings
from capas.engine.recipes.embedding.readers import EmbeddingReader
from capas.engine.recipes.embedding.reconstruction import (
    reconstruction_errors,
    with_reconstruction,
    with_word_cross_entropy,
    word_cross_entropies,
)
from capas.networks.representation.deep_autoencoder import Reconstructs

CHUNK: Final = 250


class EmbeddingPredictor:
    """A trained encoder (``Predictor``)."""

    def __init__(self, reader: EmbeddingReader, spec: Spec) -> None:
        self.reader = reader
        self.spec = spec

    @property
    def network(self) -> nn.Module:
        return self.reader.network

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return self.reader.items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return self.reader.item(content, number)

    def preprocess(self, item: Item) -> object:
        return self.reader.preprocess(item)

    def embed(self, prepared: Sequence[object]) -> Tensor:
        """Return the vectors (B, D) of preprocessed inputs, float32."""
        return self._vectors(self.reader.collate(prepared))

    @torch.no_grad()
    def _vectors(self, inputs: Tensor) -> Tensor:
        device = next(self.network.parameters()).device
        vectors: Tensor = self.network(inputs.to(device)).float().cpu()
        return vectors

    def predict(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        vectors = self.embed(prepared)
        return [
            Prediction(
                input=name, prediction=[round(value, 6) for value in vector.tolist()],
                text=f"[{', '.join(f'{value:.3f}' for value in vector[:4].tolist())}, …] ({len(vector)})",
            )
            for name, vector in zip(names, vectors, strict=True)
        ]  # fmt: skip

    def evaluate(self, report: DatasetReport, indices: Sequence[int]) -> TestResult:
        some = indices[:: -(-len(indices) // MAX_EXAMPLES)]
        some = [i for i in some if not self.reader.is_empty(self.reader.preprocess_example(report.inputs, i))]
        check_enough_examples(len(some), report.source.root)
        names = [report.inputs.name(i) for i in some]
        result = evaluate_embeddings(names, lambda: self._with_views(report, some), {})
        if not isinstance(self.network, Reconstructs):
            return result
        errors, entropies = [], []
        for at in range(0, len(some), CHUNK):
            prepared = [self.reader.preprocess_example(report.inputs, i) for i in some[at : at + CHUNK]]
            inputs = self.reader.collate(prepared)
            errors.append(reconstruction_errors(self.network, inputs))
            if isinstance(self.reader, DocumentReader):
                entropies.append(word_cross_entropies(self.network, inputs))
        result = with_reconstruction(result, torch.cat(errors), {})
        if not entropies:
            return result
        return with_word_cross_entropy(result, torch.cat(entropies), untrained=None, frequencies=None)

    def _with_views(self, report: DatasetReport, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        rng = seeded_generator(0, "evaluation views")
        plain, views = [], []
        for at in range(0, len(indices), CHUNK):
            prepared = [self.reader.preprocess_example(report.inputs, i) for i in indices[at : at + CHUNK]]
            plain.append(self.embed(prepared))
            views.append(self._vectors(self.reader.views(prepared, rng)))
        return torch.cat(plain), torch.cat(views)

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        return self.reader.exportable(prepared)
