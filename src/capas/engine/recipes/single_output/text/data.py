"""Encoded texts for training, and word dropout."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.data.batch import Batch, batches_with_targets
from capas.data.text.tfidf import SparseFeatures, TfIdfVectorizer
from capas.data.text.vocabulary import PAD, UNKNOWN
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.recipe import TrainingBatches
from capas.engine.recipes.shared.batches import training_sampler
from capas.engine.recipes.single_output.text.encodings import (
    PaddedTokenIds,
    SentenceEmbeddingEncoding,
    SentenceEmbeddings,
    TextInputs,
    TfidfEncoding,
    TokenIdEncoding,
    fit_text_encoding,
)
from capas.engine.recipes.single_output.text.network import build_network
from capas.networks.catalog import find_other_entry

BASELINE_TERMS: Final = 5000


def drop_words(inputs: TextInputs, rate: float, rng: torch.Generator) -> TextInputs:
    """Replace about ``rate`` of the words by the unknown word, so that no single one decides: word dropout, Iyyer et
    al., ACL 2015. Tf-idf features and sentence embeddings stay as they are.
    """
    if not isinstance(inputs, PaddedTokenIds) or rate == 0:
        return inputs
    hit = (torch.rand(inputs.tokens.shape, generator=rng) < rate) & (inputs.tokens != PAD)
    return PaddedTokenIds(tokens=inputs.tokens.masked_fill(hit, UNKNOWN), lengths=inputs.lengths)


class PreparedTextInputs:
    """The texts of a run, encoded as the network wants them (``PreparedInputs``)."""

    baseline = "tfidf_linear"
    head: str | None = None

    def __init__(
        self,
        config: Config,
        names: Sequence[str],
        texts: Sequence[str],
        train: Tensor,
        progress: Callable[[int, int], None],
    ) -> None:
        self.config = config
        self.texts = texts
        self.train = train
        self._names = names
        first = [texts[i] for i in train.tolist()]
        self.encoding = fit_text_encoding(config.network.name, first)
        self._encoded: SparseFeatures | SentenceEmbeddings | None = None
        if isinstance(self.encoding, TfidfEncoding):
            self._encoded = self.encoding.encode(texts)
        elif isinstance(self.encoding, SentenceEmbeddingEncoding):
            self._encoded = self.encoding.encode(texts, progress)
        self._baseline: TfIdfVectorizer | None = None

    def network(self, num_outputs: int) -> nn.Module:
        return build_network(self.config, self.encoding, num_outputs)

    def network_card(self, network: nn.Module, num_outputs: int) -> NetworkCard:
        name, width = self.config.network.name, int(self.config.network.width)
        parameters = sum(p.numel() for p in network.parameters())
        settings = {"width": width, "num_classes": num_outputs}
        return NetworkCard(name=name, settings={**settings}, parameters=parameters, paper=find_other_entry(name).paper)

    def training(self, targets: Tensor, positions: Tensor, ranks: Ranks) -> TrainingBatches[Batch[TextInputs]]:
        lengths = None
        if isinstance(self.encoding, TokenIdEncoding):
            lengths = torch.tensor([len(self.texts[i]) for i in positions.tolist()])
        order = training_sampler(self.config, positions, ranks, lengths=lengths)
        share = self.config.text.word_dropout
        return batches_with_targets(
            order, self._names, targets, lambda chosen, rng: drop_words(self.take(chosen), share, rng)
        )

    def take(self, positions: Tensor) -> TextInputs:
        if self._encoded is not None:
            return self._encoded.rows(positions)
        return self.encoding.encode([self.texts[i] for i in positions.tolist()])

    def features(self, positions: Tensor) -> Float[Tensor, "N D"]:
        """Return dense tf-idf features of the 5,000 most frequent words."""
        if self._baseline is None:
            first = [self.texts[i] for i in self.train.tolist()]
            self._baseline = TfIdfVectorizer.fit(first, longest=1, min_texts=1, max_features=BASELINE_TERMS)
        rows = self._baseline.features([self.texts[i] for i in positions.tolist()])
        return rows.dense(max(1, len(self._baseline)))

    def as_json(self) -> Mapping[str, object]:
        return self.encoding.as_json()
