"""The recipe for translating between two collections of images without pairs."""

from typing import Final

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.core.rng import seeded_generator
from capas.data.batch import UnpairedBatch
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.inspect.report import DatasetReport
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.execution import TrialBatch
from capas.engine.recipe import PreparedDataset, ResolvedConfig
from capas.engine.recipes.unpaired_translation.defaults import resolve_defaults
from capas.engine.recipes.unpaired_translation.learn import UnpairedTranslationJob
from capas.engine.recipes.unpaired_translation.predictor import UnpairedPredictor
from capas.engine.recipes.unpaired_translation.settings import TranslatorSettings

_SETTINGS: Final[TypeAdapter[TranslatorSettings]] = TypeAdapter(TranslatorSettings)


class UnpairedTranslationRecipe:
    """The recipe for translating between two collections (``Recipe``)."""

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        return resolve_defaults(config, report)

    def prepare(self, work: PreparedDataset, ranks: Ranks) -> UnpairedTranslationJob:
        return UnpairedTranslationJob(work, ranks)

    def trial(self, config: Config, report: DatasetReport) -> TrialBatch[UnpairedBatch[Tensor]]:
        settings = TranslatorSettings.of(config)
        count, rng = int(config.train.batch_size), seeded_generator(0, "trial")
        first, second = torch.rand(2, count, *settings.shape, generator=rng) * 2 - 1
        batch = UnpairedBatch(a=first, b=second)
        # An epoch is one of the larger collection.
        per_class = report.per_class("train").values()
        share = sum(per_class) / max(per_class)
        return TrialBatch(objective=settings.objective(config), batch=batch, examples=max(1, round(count * share)))

    def reopen(self, bundle: Bundle) -> UnpairedPredictor:
        preparation = ImagePreprocessing.from_json(bundle.file(PREPARATION), where=str(bundle.folder / PREPARATION))
        try:
            settings = _SETTINGS.validate_python(dict(bundle.card.network.settings))
            network = settings.translators()
        except (ValidationError, ValueError) as error:
            received = str(error).splitlines()[0]
            raise CapasError("card_unreadable", where=bundle.folder / "card.json", received=received) from error
        if preparation.shape != settings.shape or len(bundle.card.classes) != 2:
            raise CapasError("bundle_incomplete", where=bundle.folder / PREPARATION, received=str(preparation.shape))
        bundle.fill(network)
        return UnpairedPredictor(network, settings, preparation, bundle.card.spec)


recipe = UnpairedTranslationRecipe()
