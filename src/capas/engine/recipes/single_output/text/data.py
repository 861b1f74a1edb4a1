"""Encoded texts for training, and word dropout."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from capas.baselines.sparse_linear import SparseLinearModel, fit_sparse_linear
from capas.bundle.card import NetworkCard
from capas.core.spec import OUTPUT_KINDS, TaskName
from capas.data.batch import Batch, batches_with_targets
from capas.data.text.tfidf import SparseFeatures
from capas.data.text.vocabulary import PAD, UNKNOWN
from capas.decoding.output_activation import activate_outputs
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.recipe import TrainingBatches
from capas.engine.recipes.shared.batches import training_sampler
from capas.engine.recipes.shared.forward import forward_batch
from capas.engine.recipes.single_output.blend_shares import fit_blend_shares
from capas.engine.recipes.single_output.heads.base import MAX_BASELINE_EXAMPLES
from capas.engine.recipes.single_output.linear_baseline import SPARSE_BASELINE, LinearBaseline
from capas.engine.recipes.single_output.text.defaults import LINEAR, MINILM
from capas.engine.recipes.single_output.text.encodings import (
    EmbeddingsWithTerms,
    EmbeddingsWithTermsEncoding,
    PaddedTokenIds,
    SentenceEmbeddingEncoding,
    SentenceEmbeddings,
    TextInputs,
    TfidfEncoding,
    TokenIdEncoding,
    fit_terms,
    fit_text_encoding,
)
from capas.engine.recipes.single_output.text.network import build_network
from capas.networks.catalog import find_other_entry
from capas.networks.sequence.text_blend import TextBlend, TextBlendConfig
from capas.objectives.regression import standardise_columns

CHUNK: Final = 2000

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def drop_words(inputs: TextInputs, rate: float, rng: torch.Generator) -> TextInputs:
    """Replace about ``rate`` of the words by the unknown word, so that no single one decides: word dropout, Iyyer et
    al., ACL 2015. Tf-idf features and sentence embeddings stay as they are.
    """
    if not isinstance(inputs, PaddedTokenIds) or rate == 0:
        return inputs
    hit = (torch.rand(inputs.tokens.shape, generator=rng) < rate) & (inputs.tokens != PAD)
    return PaddedTokenIds(tokens=inputs.tokens.masked_fill(hit, UNKNOWN), lengths=inputs.lengths)


class PreparedTextInputs:
    """The texts of a run, encoded as the network wants them (``PreparedInputs``, ``BlendedInputs``)."""

    head: str | None = None

    def __init__(
        self,
        config: Config,
        task: TaskName,
        names: Sequence[str],
        texts: Sequence[str],
        splits: Mapping[str, Tensor],
        progress: Callable[[int, int], None],
        num_outputs: int,
    ) -> None:
        self.config = config
        self.task: TaskName = task
        self.texts = texts
        self.splits = splits
        self._names = names
        first = [texts[i] for i in splits["train"].tolist()]
        self.encoding = fit_text_encoding(config.network.name, first, num_outputs)
        self._num_outputs = num_outputs
        self._terms_code: TfidfEncoding | None = None
        self._terms: SparseFeatures | None = None
        self._linear: SparseLinearModel | None = None
        self._embeddings: SentenceEmbeddings | None = None
        if isinstance(self.encoding, SentenceEmbeddingEncoding):
            self._embeddings = self.encoding.encode(texts, progress)

    @property
    def baseline(self) -> LinearBaseline:
        """The linear model that has a share in the output, where it is of the same targets; else one of its own."""
        linear = self._linear
        if linear is None:
            return SPARSE_BASELINE
        return replace(SPARSE_BASELINE, fit=lambda *fitted_already: linear.predict)

    def network(self, num_outputs: int) -> nn.Module:
        self._network = build_network(self.config, self.encoding, num_outputs)
        return self._network

    def network_card(self, network: nn.Module, num_outputs: int) -> NetworkCard:
        name, width = self.config.network.name, int(self.config.network.width)
        parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
        settings: dict[str, int | float | bool | str | None] = {"width": width, "num_classes": num_outputs}
        blend = self._network.network
        if isinstance(blend, TextBlend):
            share = round(float(blend.get_buffer("share")), 4)
            settings |= {"output": blend.config.output, "terms": blend.config.terms,
                         "share.network": share, "share.linear": round(1 - share, 4)}  # fmt: skip
        return NetworkCard(name=name, settings=settings, parameters=parameters, paper=find_other_entry(name).paper)

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
        if isinstance(self.encoding, TokenIdEncoding):
            return self.encoding.encode([self.texts[i] for i in positions.tolist()])
        if self._embeddings is None:
            self._terms_encoding()
            assert self._terms is not None
            return self._terms.rows(positions)
        embeddings = self._embeddings.rows(positions)
        if isinstance(self.encoding, SentenceEmbeddingEncoding):
            return embeddings
        assert self._terms is not None
        terms = self._terms.rows(positions)
        return EmbeddingsWithTerms(
            embeddings=embeddings.embeddings, indices=terms.indices, weights=terms.weights, offsets=terms.offsets
        )

    @torch.no_grad()
    def fit_parts(self, targets: Tensor, execution: Execution) -> None:
        """Fit the linear model to the training texts, and its share to the validation texts."""
        train, validation, kind = self.splits["train"], self.splits["validation"], OUTPUT_KINDS[self.task]
        if self.config.network.name not in (LINEAR, MINILM) or len(validation) == 0:
            return
        learnt = standardise_columns(targets, train) if kind == "numbers" else targets
        linear = fit_sparse_linear(self.features(train), learnt[train], kind, self._num_outputs)
        if kind != "numbers" and len(train) <= MAX_BASELINE_EXAMPLES:
            self._linear = linear
        network = torch.cat([
            forward_batch(self._network, self.take(some), execution) for some in torch.split(validation, CHUNK)
        ])  # fmt: skip
        predictions = {
            "network": activate_outputs(network, kind), "linear": linear.predict(self.features(validation))
        }  # fmt: skip
        shares = fit_blend_shares(predictions, learnt[validation], kind)
        if "linear" not in shares:
            return
        config = TextBlendConfig(
            terms=len(linear.weight), outputs=self._num_outputs, output=kind, own_inputs=self._embeddings is not None
        )
        own = self._network.network
        assert isinstance(own, nn.Module)
        blend = TextBlend(own, config)
        blend.linear_weight.copy_(linear.weight)
        blend.linear_bias.copy_(linear.bias)
        blend.share = torch.tensor(shares.get("network", 0.0))
        self._network.network = execution.place(blend)
        if isinstance(self.encoding, SentenceEmbeddingEncoding):
            self.encoding = EmbeddingsWithTermsEncoding(self.encoding, self._terms_encoding())

    def features(self, positions: Tensor) -> "csr_matrix":
        """Return tf-idf of words and letters, sparse."""
        width = max(1, len(self._terms_encoding().tfidf))
        assert self._terms is not None
        return self._terms.rows(positions).csr(width)

    def _terms_encoding(self) -> TfidfEncoding:
        if self._terms_code is None:
            own = self.encoding if isinstance(self.encoding, TfidfEncoding) else None
            self._terms_code = own or fit_terms(
                [self.texts[i] for i in self.splits["train"].tolist()], self._num_outputs
            )
        if self._terms is None:
            self._terms = self._terms_code.encode(self.texts)
        return self._terms_code

    def as_json(self) -> Mapping[str, object]:
        return self.encoding.as_json()
