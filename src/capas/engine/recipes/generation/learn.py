"""Training of generative networks."""

from collections.abc import Mapping
from typing import Final, Protocol, runtime_checkable

import torch
from torch import Tensor

from capas.bundle.card import NetworkCard
from capas.bundle.write import CAPTIONS, PREPARATION
from capas.core.rng import derive_seed, seeded_generator
from capas.data.batch import SampledBatches
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.loop import ValidationScore
from capas.engine.recipe import PreparedDataset, TestResult
from capas.engine.recipes.generation.batches import GenerationBatch, GenerationExamples
from capas.engine.recipes.generation.evaluate import evaluate_generator, thumbnail_coverage
from capas.engine.recipes.generation.families import family_named
from capas.engine.recipes.generation.prompts import PromptEncoder, fit_prompt_encoder
from capas.engine.recipes.generation.settings import GeneratorSettings
from capas.engine.recipes.shared.batches import training_sampler
from capas.engine.recipes.shared.image_store import prepare_image_store
from capas.networks.catalog import find_other_entry
from capas.objectives.base import Objective, deployed_networks
from capas.sampling.generator import ImageGenerator, SamplingOptions
from capas.sampling.noise import sample_generators

VALIDATED: Final = 200  # validation images, and as many samples, at each evaluation
QUICK: Final = SamplingOptions(steps=10)
MAX_EVALUATIONS: Final = 100  # of the network for a sample: with more, none are drawn for validation
FITTED: Final = 256  # training images that a network begins with


@runtime_checkable
class HasValidationLoss(Protocol):
    """An objective whose loss on images that were kept apart says something."""

    def validation_loss(self, batch: GenerationBatch, rng: torch.Generator) -> Tensor:
        """Return the loss, its chance drawn from ``rng``."""


@runtime_checkable
class StartsFromData(Protocol):
    """An objective whose networks begin with what the data are like."""

    def start_from(self, batch: GenerationBatch, rng: torch.Generator) -> None:
        """Fit what begins so to training examples, without gradients."""


class GenerationJob:
    """Images, networks and objective of a run (``TrainingJob``)."""

    head: str | tuple[str, ...] | None = None

    def __init__(self, work: PreparedDataset, ranks: Ranks) -> None:
        self.record = work.record
        self.config = work.config
        store, preparation = prepare_image_store(work)
        self.preparation = preparation
        self.prompts = prompts_of(work)
        self.examples = GenerationExamples(
            store, work.record, flip=work.config.augment.flip is True, prompts=self.prompts
        )
        context = 0 if self.prompts is None else self.prompts.numbers
        self.settings = GeneratorSettings.of(work.config, work.spec, context)
        self.family = family_named(self.settings.name)
        torch.manual_seed(derive_seed(work.config.train.seed, "weights"))
        self._objective = self.family.objective(self.settings)
        if isinstance(self._objective, StartsFromData):
            some = work.record.positions("train")[:: max(1, work.record.splits.count("train") // FITTED)][:FITTED]
            self._objective.start_from(
                self.examples.batch(some), seeded_generator(work.config.train.seed, "first batch")
            )
        self._batches = self.examples.training(training_sampler(work.config, work.record.positions("train"), ranks))

    @property
    def objective(self) -> Objective[GenerationBatch]:
        return self._objective

    @property
    def batches(self) -> SampledBatches[GenerationBatch]:
        return self._batches

    @property
    def has_validation(self) -> bool:
        return self.record.splits.count("validation") > 1

    def validate(self, execution: Execution) -> ValidationScore:
        """Return the share of validation images that have a sample near them; where drawing takes long, the share of
        the eight bits of a number that the network makes unnecessary. The latest weights are kept.

        Without a loss that says something, as with adversaries, the loss is the share that has no sample near.
        """
        positions = self.record.positions("validation")[:VALIDATED]
        generator, loss = self._generator(), None
        if isinstance(self._objective, HasValidationLoss):
            batch = execution.place_batch(self.examples.batch(positions))
            with torch.no_grad(), execution.autocast():
                rng = seeded_generator(self.config.train.seed, "validation")
                loss = float(self._objective.validation_loss(batch, rng))
        if generator.evaluations > MAX_EVALUATIONS and loss is not None:
            return ValidationScore(
                metric="bits_saved", value=1 - loss / 8, loss=loss, n=len(positions), keep_latest=True
            )
        real, condition = self.examples.images(positions), self.examples.condition_of(positions)
        with execution.autocast():
            made = generator.draw(sample_generators(self.config.train.seed, len(positions)), condition, QUICK)
        covered = thumbnail_coverage(real, made)
        return ValidationScore(
            metric="sample_coverage", value=covered.value, loss=1 - covered.value if loss is None else loss,
            n=covered.n, keep_latest=True,
        )  # fmt: skip

    def calibrate(self, execution: Execution) -> None:
        """Nothing is fitted to the validation split."""

    def test(self, execution: Execution) -> TestResult:
        count = self.config.generation.samples
        known, class_names = self.examples.known, () if self.prompts else self.record.spec.classes
        return evaluate_generator(
            self._generator(), known("test"), train=known("train"), class_names=class_names,
            seed=self.config.train.seed, count=None if count == "auto" else int(count),
        )  # fmt: skip

    def bundle_files(self) -> Mapping[str, object]:
        captions = {} if self.prompts is None else {CAPTIONS: self.prompts.as_json()}
        return {PREPARATION: self.preparation.as_json(), **captions}

    def network_card(self) -> NetworkCard:
        (network,) = deployed_networks(self._objective).values()
        row = find_other_entry(self.settings.name)
        return NetworkCard(
            name=row.name, settings=dict(self.settings.as_json()),
            parameters=sum(p.numel() for p in network.parameters()), paper=row.paper,
        )  # fmt: skip

    def _generator(self) -> ImageGenerator:
        (network,) = deployed_networks(self._objective).values()
        return self.family.generator(network.eval(), self.settings)


def prompts_of(work: PreparedDataset) -> PromptEncoder | None:
    """Return what makes vectors of captions, fitted to those of the training part; None where there are none."""
    if not work.spec.captioned:
        return None
    texts = [work.record.label_text(work.record.labels[i]) for i in work.record.positions("train").tolist()]
    return fit_prompt_encoder(work.config.generation.captions, texts)
