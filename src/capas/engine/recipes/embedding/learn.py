"""Training of encoders without labels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.bundle.write import ANSWERS, PREPARATION
from capas.core.rng import seeded_generator
from capas.data.batch import SampledBatches, two_view_batches
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.loop import ValidationScore
from capas.engine.recipe import PreparedDataset, TestResult, TrainingBatches
from capas.engine.recipes.embedding.documents import DocumentInputs
from capas.engine.recipes.embedding.encoders import embedding_size
from capas.engine.recipes.embedding.evaluate import (
    MAX_EXAMPLES,
    check_enough_examples,
    evaluate_embeddings,
    search_views,
)
from capas.engine.recipes.embedding.inputs import EmbeddingInputs
from capas.engine.recipes.embedding.objectives import METHODS, Pretext, embedding_objective
from capas.engine.recipes.embedding.reconstruction import (
    MAX_FITTED,
    PrincipalComponents,
    cross_entropies,
    reconstruction_errors,
    with_reconstruction,
    with_word_cross_entropy,
    word_cross_entropies,
)
from capas.engine.recipes.shared.batches import training_sampler
from capas.engine.recipes.shared.forward import forward_batch
from capas.metrics.representation import collapse
from capas.networks.representation.deep_autoencoder import Reconstructs
from capas.objectives.base import Objective

CHUNK: Final = 250


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainBatch:
    """Examples in one view.

    Attributes:
        inputs: Images (B, C, H, W), or documents (B, V).
        positions: Their positions, int64 (B,).
    """

    inputs: Tensor
    positions: Tensor


class EmbeddingJob:
    """Examples, encoder and objective of a run (``TrainingJob``)."""

    head: str | tuple[str, ...] | None = None

    def __init__(self, work: PreparedDataset, inputs: EmbeddingInputs, ranks: Ranks) -> None:
        self.record = work.record
        self.inputs = inputs
        self.seed = work.config.train.seed
        check_enough_examples(len(self._some("test")), self.record.source)
        self._encoder = inputs.encoder()
        self._method = METHODS[work.config.method.name]
        pretext = Pretext(
            encoder=self._encoder, feature_dim=embedding_size(self._encoder, inputs.shape), shape=inputs.shape,
            medium="audio" if work.spec.medium == "audio" else "image",
            layer_wise=work.config.network.layer_wise is True,
        )  # fmt: skip
        self._objective = embedding_objective(work.config.method.name, pretext, self.seed)
        sampler = training_sampler(work.config, inputs.nonempty(work.record.positions("train")), ranks)
        self._batches: TrainingBatches[object]
        if self._method.two_views:
            self._batches = two_view_batches(sampler, work.record.names, inputs.view)
        else:
            self._batches = SampledBatches(sampler, work.record.names, self._plain)

    def _plain(self, positions: Tensor, rng: torch.Generator) -> PlainBatch:
        return PlainBatch(inputs=self.inputs.training_inputs(positions, rng), positions=positions)

    @property
    def objective(self) -> Objective[object]:
        return self._objective

    @property
    def batches(self) -> TrainingBatches[object]:
        return self._batches

    @property
    def has_validation(self) -> bool:
        return len(self._some("validation")) > 1

    def validate(self, execution: Execution) -> ValidationScore:
        """Return how many validation examples are known again; a collapse shows as the loss: 1 − spread of the vectors.

        The latest weights are kept, as is usual without labels: being known again is easy early on, and says little of
        what an embedding is good for. Of documents, which are soon known by heart, those weights are kept that
        rebuild the validation documents best: the loss is the cross-entropy per word.
        """
        positions = self._some("validation")
        originals, views = self._vectors(self._encoder, execution, positions)
        found = search_views(originals, views).found
        if isinstance(self.inputs, DocumentInputs):
            entropy = float(self._word_cross_entropies(self._encoder, positions, execution).mean())
            return ValidationScore(
                metric="view_recall", value=found / len(positions), loss=entropy, n=len(positions), by_loss=True
            )
        spread = min(1.0, collapse(originals).spread)
        return ValidationScore(
            metric="view_recall", value=found / len(positions), loss=1 - spread, n=len(positions), keep_latest=True
        )

    def calibrate(self, execution: Execution) -> None:
        """Nothing is fitted to the validation split."""

    def test(self, execution: Execution) -> TestResult:
        positions = self._some("test")
        untrained = execution.place(self.inputs.encoder())
        names = [self.record.names[i] for i in positions.tolist()]
        baselines: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
            **{
                name: partial(self._examined, positions, vectors)
                for name, vectors in self.inputs.simpler(self._training_examples, self._code).items()
            },
            "untrained": lambda: self._vectors(untrained, execution, positions),
        }
        own = partial(self._vectors, self._encoder, execution, positions)
        if not isinstance(self._encoder, Reconstructs):
            return evaluate_embeddings(names, own, baselines)
        components = PrincipalComponents.fit(self._training_examples(), self._code)
        coded = {"pca": lambda: self._examined(positions, lambda images: components.encode(images.flatten(1)))}
        result = with_reconstruction(
            evaluate_embeddings(names, own, {**coded, **baselines}),
            torch.cat([
                reconstruction_errors(self._encoder, self.inputs.take(p), execution)
                for p in torch.split(positions, CHUNK)
            ]),
            {"pca": lambda: torch.cat([components.errors(self._flat(part)) for part in torch.split(positions, CHUNK)])},
        )  # fmt: skip
        if not isinstance(self.inputs, DocumentInputs):
            return result
        shares = self._flat(positions)
        frequencies = self._training_examples().mean(0)
        return with_word_cross_entropy(
            result, self._word_cross_entropies(self._encoder, positions, execution),
            untrained=self._word_cross_entropies(untrained, positions, execution),
            frequencies=cross_entropies(shares, frequencies.expand_as(shares)),
        )  # fmt: skip

    @property
    def _code(self) -> int:
        return embedding_size(self._encoder, self.inputs.shape)

    def _training_examples(self) -> Tensor:
        """Examples (N, F) that what is beside the network is fitted to."""
        train = self.inputs.nonempty(self.record.positions("train"))[:MAX_FITTED]
        return torch.cat([self._flat(part) for part in torch.split(train, CHUNK)])

    def _word_cross_entropies(self, encoder: nn.Module, positions: Tensor, execution: Execution) -> Tensor:
        parts = torch.split(positions, CHUNK)
        return torch.cat([word_cross_entropies(encoder, self.inputs.take(part), execution) for part in parts])

    def _flat(self, positions: Tensor) -> Tensor:
        return self.inputs.take(positions).flatten(1)

    def bundle_files(self) -> Mapping[str, object]:
        return {PREPARATION: self.inputs.as_json(), ANSWERS: self.inputs.views_as_json()}

    def network_card(self) -> NetworkCard:
        return self.inputs.network_card(self._encoder)

    def _some(self, split: str) -> Tensor:
        """The positions of a split, evenly thinned out where there are very many."""
        assert split in ("validation", "test")
        positions = self.inputs.nonempty(self.record.positions("validation" if split == "validation" else "test"))
        return positions[:: max(1, -(-len(positions) // MAX_EXAMPLES))]

    def _vectors(self, encoder: nn.Module, execution: Execution, positions: Tensor) -> tuple[Tensor, Tensor]:
        return self._examined(positions, lambda inputs: forward_batch(encoder, inputs, execution))

    def _examined(self, positions: Tensor, examine: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """What ``examine`` makes (B, D) of examples (B, *shape), and of the views of them, (N, D) each."""
        rng = seeded_generator(self.seed, "evaluation views")
        plain, views = [], []
        for part in torch.split(positions, CHUNK):
            plain.append(examine(self.inputs.take(part)))
            views.append(examine(self.inputs.view(part, rng)))
        return torch.cat(plain), torch.cat(views)
