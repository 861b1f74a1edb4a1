"""Training of embeddings in which the same identity is close."""

from collections.abc import Mapping
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capas.bundle.card import NetworkCard
from capas.bundle.write import ANSWERS, PREPARATION
from capas.data.batch import batches_with_targets
from capas.data.identity_sampler import IdentitySampler
from capas.data.naming import SplitName
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.loop import ValidationScore
from capas.engine.recipe import PreparedDataset, TestResult, TrainingBatches
from capas.engine.recipes.embedding.inputs import EmbeddingInputs
from capas.engine.recipes.shared.forward import forward_batch
from capas.engine.recipes.verification.answers import CalibrationData, VerificationAnswers
from capas.engine.recipes.verification.evaluate import (
    EER,
    LabelledExamples,
    VerificationTest,
    evaluate_verification,
    scored_pairs,
)
from capas.engine.recipes.verification.groups import group_columns
from capas.engine.recipes.verification.methods import verification_objective
from capas.engine.recipes.verification.network import VerificationNetwork, verification_network
from capas.engine.recipes.verification.pairs import choose_examples, choose_pairs, has_both_kinds
from capas.metrics.pair_calibration import PairCalibration, fit_pair_calibration, pair_log_loss
from capas.metrics.verification import ScoredPairs, equal_error_rate, error_curve
from capas.objectives.base import Objective

CHUNK: Final = 250
PER_IDENTITY: Final = 4
SMALL_SIDE: Final = 16


class VerificationJob:
    """Examples, network and objective of a run (``TrainingJob``)."""

    head: str | tuple[str, ...] | None = None

    def __init__(self, work: PreparedDataset, inputs: EmbeddingInputs, ranks: Ranks) -> None:
        assert work.spec.target is not None
        self.record = work.record
        self.inputs = inputs
        self.seed = work.config.train.seed
        self.medium = work.spec.medium
        self.identities = torch.tensor([cast(int, label) for label in work.record.labels])
        self.groups = group_columns(work.columns, work.spec.target.name, work.indices)
        self._network = self._fresh()
        positions = work.record.positions("train")
        names, places = torch.unique(self.identities[positions], return_inverse=True)
        self._objective = verification_objective(
            work.config.method.name, self._network.encoder, self._network.embedder, num_identities=len(names),
            seed=self.seed,
        )  # fmt: skip
        batch = int(work.config.train.batch_size)
        sampler = IdentitySampler(
            positions, places, batch_size=batch, per_identity=examples_per_identity(batch), seed=self.seed,
            rank=ranks.rank, world_size=ranks.world_size,
        )  # fmt: skip
        targets = torch.zeros(len(self.identities), dtype=torch.long)
        targets[positions] = places
        batches = batches_with_targets(sampler, work.record.names, targets, inputs.view)
        self._batches = cast(TrainingBatches[object], batches)
        self._calibration: tuple[PairCalibration, CalibrationData, float] | None = None
        self._tested: VerificationTest | None = None

    def _fresh(self) -> VerificationNetwork:
        return verification_network(self.inputs.encoder(), self.inputs.shape, seed=self.seed).train()

    @property
    def objective(self) -> Objective[object]:
        return cast(Objective[object], self._objective)

    @property
    def batches(self) -> TrainingBatches[object]:
        return self._batches

    @property
    def has_validation(self) -> bool:
        return has_both_kinds(self._identities_at(self.record.positions("validation")))

    def validate(self, execution: Execution) -> ValidationScore:
        """Return the equal error rate; weights are chosen by the log loss after the best calibration, since few pairs
        make few different error rates."""
        pairs = self._pairs("validation", execution)
        calibration = fit_pair_calibration(pairs.scores, pairs.same)
        loss = pair_log_loss(calibration.probability(pairs.scores), pairs.same)
        eer, _ = equal_error_rate(error_curve(pairs))
        return ValidationScore(metric=EER, value=eer, loss=loss, n=len(pairs.scores), by_loss=True)

    def calibrate(self, execution: Execution) -> None:
        """Fit the probability of a pair to the validation pairs; without any, to training pairs."""
        split: SplitName = "validation" if self.has_validation else "train"
        pairs = self._pairs(split, execution)
        data = CalibrationData(
            split="validation" if split == "validation" else "train", genuine=pairs.genuine, impostor=pairs.impostor,
            identities=pairs.identities,
        )  # fmt: skip
        _, threshold = equal_error_rate(error_curve(pairs))
        self._calibration = (fit_pair_calibration(pairs.scores, pairs.same), data, threshold)

    def test(self, execution: Execution) -> TestResult:
        assert self._calibration is not None
        calibration, _, threshold = self._calibration
        positions = self._chosen("test")
        numbers = positions.tolist()
        examples = LabelledExamples(
            names=[self.record.names[i] for i in numbers], identities=self._identities_at(positions),
            groups={name: [values[i] for i in numbers] for name, values in self.groups.items()},
        )  # fmt: skip
        untrained = self._fresh()
        execution.place(untrained)
        baselines = {
            "pixels": lambda: self._small(positions),
            "untrained": lambda: self._vectors(untrained, execution, positions),
        }
        if self.medium == "audio":
            baselines = {"mel_statistics": lambda: self._mel_statistics(positions), "untrained": baselines["untrained"]}
        vectors = self._vectors(self._network, execution, positions)
        self._tested = evaluate_verification(examples, vectors, calibration, threshold, baselines, seed=self.seed)
        return self._tested.result

    def bundle_files(self) -> Mapping[str, object]:
        assert self._calibration is not None and self._tested is not None
        calibration, data, threshold = self._calibration
        answers = VerificationAnswers(
            calibration=calibration, calibrated_on=data, eer_threshold=threshold, errors=self._tested.errors
        )
        return {PREPARATION: self.inputs.as_json(), ANSWERS: answers.as_json()}

    def network_card(self) -> NetworkCard:
        card = self.inputs.network_card(self._network.encoder)
        return card.model_copy(
            update={"parameters": sum(p.numel() for p in self._network.parameters())}
        )  # fmt: skip

    def _identities_at(self, positions: Tensor) -> NDArray[np.int64]:
        identities: NDArray[np.int64] = self.identities[positions].numpy()
        return identities

    def _chosen(self, split: SplitName) -> Tensor:
        """The positions of a split; where there are very many, those of some identities."""
        positions = self.record.positions(split)
        return positions[torch.from_numpy(choose_examples(self._identities_at(positions), seed=self.seed))]

    def _pairs(self, split: SplitName, execution: Execution) -> ScoredPairs:
        positions = self._chosen(split)
        identities = self._identities_at(positions)
        vectors = self._vectors(self._network, execution, positions)
        return scored_pairs(vectors, identities, choose_pairs(identities, seed=self.seed))

    def _vectors(self, network: VerificationNetwork, execution: Execution, positions: Tensor) -> Tensor:
        return torch.cat(
            [forward_batch(network, self.inputs.take(part), execution) for part in torch.split(positions, CHUNK)]
        )

    def _small(self, positions: Tensor) -> Tensor:
        """What the network sees, averaged to 16 × 16 and flat, its own mean taken off."""
        parts = [
            torch.nn.functional.adaptive_avg_pool2d(self.inputs.take(part), SMALL_SIDE).flatten(1)
            for part in torch.split(positions, CHUNK)
        ]
        small = torch.cat(parts)
        return small - small.mean(1, keepdim=True)

    def _mel_statistics(self, positions: Tensor) -> Tensor:
        """Mean and deviation of each mel band over time: how a voice is coloured on the whole."""
        parts = []
        for part in torch.split(positions, CHUNK):
            bands_BMT = self.inputs.take(part)[:, 0]
            parts.append(torch.cat([bands_BMT.mean(2), bands_BMT.std(2)], dim=1))
        return torch.cat(parts)


def examples_per_identity(batch_size: int) -> int:
    """Return K of a batch of P identities with K examples each: 4, or 2 of small batches."""
    return PER_IDENTITY if batch_size >= 2 * PER_IDENTITY else 2
