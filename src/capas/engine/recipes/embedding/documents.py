"""Texts as the inputs of learning without labels: shares of the most frequent words of the training texts."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.baselines.latent_semantic_analysis import LatentSemanticAnalysis
from capas.bundle.card import NetworkCard
from capas.core.errors import CapasError
from capas.core.rng import derive_seed
from capas.data.collections import TextCollection
from capas.data.text.word_counts import WordCounter, thinned, word_shares
from capas.engine.config import Config
from capas.engine.recipe import PreparedDataset
from capas.engine.recipes.embedding.encoders import DocumentEncoderSettings, document_encoder, embedding_size
from capas.networks.catalog import find_other_entry

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MAX_WORDS: Final = 2000  # Hinton & Salakhutdinov 2006
KEPT: Final = 0.5  # share of a document's words in a view of it


class DocumentInputs:
    """Texts as shares of words (B, V) (``EmbeddingInputs``)."""

    def __init__(self, config: Config, counter: WordCounter, counts: "csr_matrix") -> None:
        self.config = config
        self.counter = counter
        self._counts = counts

    @staticmethod
    def prepare(work: PreparedDataset) -> "DocumentInputs":
        """Take the vocabulary from the training texts and count it in all. Raises CapasError ``no_words_to_learn``."""
        assert isinstance(work.inputs, TextCollection)
        texts = [work.inputs.texts[i] for i in work.indices]
        train = [texts[i] for i in work.record.positions("train").tolist()]
        try:
            counter = WordCounter.fit(train, max_words=int(work.config.text.vocab_size))
        except ValueError as error:
            raise CapasError("no_words_to_learn", where=work.record.source, received=len(train)) from error
        return DocumentInputs(work.config, counter, counter.counts(texts))

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.counter.words),)

    def encoder(self) -> nn.Module:
        torch.manual_seed(derive_seed(self.config.train.seed, "weights"))
        return document_encoder(DocumentEncoderSettings.of(self.config, len(self.counter.words))).train()

    def counts(self, positions: Tensor) -> Float[Tensor, "B V"]:
        """Return the counts of the texts at ``positions``."""
        return torch.from_numpy(self._counts[positions.numpy()].toarray())

    def take(self, positions: Tensor) -> Tensor:
        return word_shares(self.counts(positions))

    def training_inputs(self, positions: Tensor, rng: torch.Generator) -> Tensor:
        return self.take(positions)

    def view(self, positions: Tensor, rng: torch.Generator) -> Tensor:
        return word_shares(thinned(self.counts(positions), KEPT, rng))

    def nonempty(self, positions: Tensor) -> Tensor:
        lengths = torch.from_numpy(self._counts.sum(axis=1).A1)
        return positions[lengths[positions] > 0]

    def simpler(self, training: Callable[[], Tensor], code: int) -> Mapping[str, Callable[[Tensor], Tensor]]:
        return {"lsa": LatentSemanticAnalysis.fit(training(), code).encode}

    def network_card(self, encoder: nn.Module) -> NetworkCard:
        settings = DocumentEncoderSettings.of(self.config, len(self.counter.words))
        row = find_other_entry(self.config.network.name)
        return NetworkCard(
            name=row.name, settings={**asdict(settings), "embedding_dim": embedding_size(encoder, self.shape)},
            parameters=sum(p.numel() for p in encoder.parameters()), paper=row.paper,
        )  # fmt: skip

    def as_json(self) -> Mapping[str, object]:
        return self.counter.as_json()

    def views_as_json(self) -> Mapping[str, object]:
        return {"views": {"kept": KEPT}}
