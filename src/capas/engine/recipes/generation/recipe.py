"""The recipe for learning to generate images."""

from typing import Final

import torch
from pydantic import TypeAdapter, ValidationError

from capas.bundle.read import Bundle
from capas.bundle.write import CAPTIONS, PREPARATION
from capas.core.errors import CapasError
from capas.core.rng import seeded_generator
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.execution import TrialBatch
from capas.engine.recipe import PreparedDataset, ResolvedConfig
from capas.engine.recipes.generation.batches import GenerationBatch
from capas.engine.recipes.generation.defaults import resolve_defaults, training_captions
from capas.engine.recipes.generation.families import family_named
from capas.engine.recipes.generation.learn import GenerationJob
from capas.engine.recipes.generation.predictor import GenerationPredictor
from capas.engine.recipes.generation.prompts import fit_prompt_encoder, open_prompt_encoder
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
        spec, context = report.detection.spec, 0
        if spec.captioned:
            context = fit_prompt_encoder(config.generation.captions, training_captions(report)).numbers
        settings = GeneratorSettings.of(config, spec, context)
        count, rng = int(config.train.batch_size), seeded_generator(0, "trial")
        condition = torch.zeros(count, context) if context else classes_in_turn(count, settings.classes)
        batch = GenerationBatch(
            inputs=torch.rand(count, *settings.shape, generator=rng) * 2 - 1,
            condition=condition, positions=torch.arange(count),
        )  # fmt: skip
        return TrialBatch(objective=family_named(settings.name).objective(settings), batch=batch, examples=count)

    def reopen(self, bundle: Bundle) -> GenerationPredictor:
        preparation = ImagePreprocessing.from_json(bundle.file(PREPARATION), where=str(bundle.folder / PREPARATION))
        try:
            settings = _SETTINGS.validate_python(dict(bundle.card.network.settings))
            network = family_named(settings.name).network(settings)
            prompts = open_prompt_encoder(bundle.file(CAPTIONS)) if settings.context else None
        except (ValidationError, ValueError) as error:
            received = str(error).splitlines()[0]
            raise CapasError("card_unreadable", where=bundle.folder / "card.json", received=received) from error
        classes = 0 if bundle.card.spec.captioned else len(bundle.card.classes)
        if preparation.shape != settings.shape or settings.classes != classes:
            raise CapasError("bundle_incomplete", where=bundle.folder / PREPARATION, received=str(preparation.shape))
        if settings.context != (0 if prompts is None else prompts.numbers):
            raise CapasError("bundle_incomplete", where=bundle.folder / CAPTIONS, received=settings.context)
        return GenerationPredictor(bundle.fill(network), settings, preparation, bundle.card.spec, prompts)


recipe = GenerationRecipe()
