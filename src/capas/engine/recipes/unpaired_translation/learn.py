"""Training of translators between two collections."""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.bundle.write import PREPARATION
from capas.core.rng import derive_seed
from capas.data.batch import UnpairedBatch, UnpairedBatches
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.loop import ValidationScore
from capas.engine.recipe import PreparedDataset, TestResult
from capas.engine.recipes.generation.evaluate import thumbnail_coverage
from capas.engine.recipes.shared.image_store import prepare_image_store
from capas.engine.recipes.unpaired_translation.data import UnpairedExamples
from capas.engine.recipes.unpaired_translation.evaluate import evaluate_translators, mean_difference
from capas.engine.recipes.unpaired_translation.settings import NETWORK, TranslatorSettings
from capas.engine.recipes.unpaired_translation.translators import Directions
from capas.metrics.rate import rate
from capas.networks.catalog import find_other_entry
from capas.objectives.base import Objective, deployed_networks

VALIDATED: Final = 100  # validation images of each collection at each evaluation


class UnpairedTranslationJob:
    """Images, networks and objective of a run (``TrainingJob``)."""

    head: str | tuple[str, ...] | None = None

    def __init__(self, work: PreparedDataset, ranks: Ranks) -> None:
        self.record = work.record
        self.config = work.config
        store, self.preparation = prepare_image_store(work)
        self.examples = UnpairedExamples(store, work.record, flip=work.config.augment.flip is True)
        self.settings = TranslatorSettings.of(work.config)
        torch.manual_seed(derive_seed(work.config.train.seed, "weights"))
        self._objective = self.settings.objective(work.config)
        self._batches = self.examples.training(work.config, ranks)

    @property
    def objective(self) -> Objective[UnpairedBatch[Tensor]]:
        return self._objective

    @property
    def batches(self) -> UnpairedBatches[Tensor]:
        return self._batches

    @property
    def has_validation(self) -> bool:
        return min(len(self.examples.positions("validation", side)) for side in (0, 1)) > 1

    def validate(self, execution: Execution) -> ValidationScore:
        """Return the share of validation images that have a translated one near them, of both collections; the loss is
        the mean error of images led back again. Neither tells when to stop: the latest weights are kept.
        """
        real = [side.images for side in self.examples.collections("validation", VALIDATED)]
        directions, covered, errors = self._directions(), [], []
        with execution.autocast():
            for own in (0, 1):
                made, back = directions.back_and_forth(real[own], own)
                covered.append(thumbnail_coverage(real[1 - own], made))
                errors.append(mean_difference(back, real[own]))
        both = rate(sum(round(one.value * one.n) for one in covered), sum(one.n for one in covered))
        return ValidationScore(
            metric="sample_coverage", value=both.value, loss=float(torch.cat(errors).mean()), n=both.n,
            keep_latest=True,
        )  # fmt: skip

    def calibrate(self, execution: Execution) -> None:
        """Nothing is fitted to the validation split."""

    def test(self, execution: Execution) -> TestResult:
        return evaluate_translators(
            self._directions(), self.examples.collections("test"), train=self.examples.collections("train"),
            names=self.record.spec.classes,
        )  # fmt: skip

    def bundle_files(self) -> Mapping[str, object]:
        return {PREPARATION: self.preparation.as_json()}

    def network_card(self) -> NetworkCard:
        networks = deployed_networks(self._objective)
        row = find_other_entry(NETWORK)
        return NetworkCard(
            name=row.name, settings=dict(self.settings.as_json()), paper=row.paper,
            parameters=sum(p.numel() for network in networks.values() for p in network.parameters()),
        )  # fmt: skip

    def _directions(self) -> Directions:
        return Directions(networks=nn.ModuleDict(deployed_networks(self._objective)).eval())
