"""The recipe for learning to generate images."""

from typing import Final

import torch
from pydantic import TypeAdapter, ValidationError

from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.core.rng import seeded_generator
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.execution import TrialBatch
from capas.engine.recipe import PreparedDataset, ResolvedConfig
from capas.engine.recipes.generation.batches import GenerationBatch
from capas.engine.recipes.generation.defaults import resolve_defaults
from capas.engine.recipes.generation.families import family_named
from capas.engine.recipes.generation.learn import GenerationJob
from capas.engine.recipes.generation.predictor import GenerationPredictor
from capas.engine.recipes.generation.settings import GeneratorSettings
from capas.sampling.noise import classes_in_turn

_SETTINGS: Final[TypeAdapter[GeneratorSettings]] = TypeAdapter(GeneratorSettings)


class GenerationRecipe:
    """The recipe for learning to generate images (``Recipe``)."""

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        return resolve_defaults(config, report)

    def prepare(self, work: PreparedDataset, ranks: Ranks) -> GenerationJob:
        return GenerationJob(work, ranks)

    def trial(self, config: Config, report: DatasetReport) -> TrialBatch[GenerationBatch]:
        classes = report.detection.spec.classes
        settings = GeneratorSettings.of(config, classes)
        count, rng = int(config.train.batch_size), seeded_generator(0, "trial")
        batch = GenerationBatch(
            inputs=torch.rand(count, *settings.shape, generator=rng) * 2 - 1,
            condition=classes_in_turn(count, len(classes)), positions=torch.arange(count),
        )  # fmt: skip
        return TrialBatch(objective=family_named(settings.name).objective(settings), batch=batch, examples=count)

    def reopen(self, bundle: Bundle) -> GenerationPredictor:
        preparation = ImagePreprocessing.from_json(bundle.file(PREPARATION), where=str(bundle.folder / PREPARATION))
        try:
            settings = _SETTINGS.validate_python(dict(bundle.card.network.settings))
            network = family_named(settings.name).network(settings)
        except (ValidationError, ValueError) as error:
            received = str(error).splitlines()[0]
            raise CapasError("card_unreadable", where=bundle.folder / "card.json", received=received) from error
        if preparation.shape != settings.shape or settings.classes != len(bundle.card.classes):
            raise CapasError("bundle_incomplete", where=bundle.folder / PREPARATION, received=str(preparation.shape))
        return GenerationPredictor(bundle.fill(network), settings, preparation, bundle.card.spec)


recipe = GenerationRecipe()
