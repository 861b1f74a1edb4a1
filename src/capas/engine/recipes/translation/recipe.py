"""The recipe for translation: a Transformer over subwords that both languages share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from capas.bundle.read import Bundle
from capas.bundle.write import ANSWERS, PREPARATION
from capas.core.errors import CapasError
from capas.data.inspect.report import DatasetReport
from capas.data.text.vocabulary import SubwordVocabulary
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.execution import TrialBatch
from capas.engine.recipe import PreparedDataset, ResolvedConfig
from capas.engine.recipes.translation.data import (
    PaddedTranslationPairs,
    collate_translation_pairs,
    fit_vocabulary,
    input_texts,
)
from capas.engine.recipes.translation.defaults import resolve_defaults
from capas.engine.recipes.translation.learn import TranslationJob
from capas.engine.recipes.translation.network import build_network, new_transformer
from capas.engine.recipes.translation.predictor import TranslationPredictor
from capas.objectives.translation import Translation


class _Answers(BaseModel):
    """A bundle's ``answers.json``, in the ranges that a training can have written.

    Attributes:
        beam: Beam width.
        alpha: Exponent of the length penalty.
        longest: Most tokens of a segment.
    """

    model_config = ConfigDict(frozen=True, strict=True)
    beam: Annotated[int, Field(ge=1, le=1000)]
    alpha: Annotated[float, Field(ge=0, le=10)]
    longest: Annotated[int, Field(ge=1, le=10_000)]


class TranslationRecipe:
    """The recipe for translation (``Recipe``)."""

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        return resolve_defaults(config, report)

    def prepare(self, work: PreparedDataset, ranks: Ranks) -> TranslationJob:
        return TranslationJob(work, ranks)

    def trial(self, config: Config, report: DatasetReport) -> TrialBatch[PaddedTranslationPairs]:
        train = [i for i, part in enumerate(report.split) if part == "train"]
        sources, targets = input_texts(report.inputs), input_texts(report.source.targets)
        # Of a few texts, so that it takes no time; the vocabulary's size is what steps depend on, and is as configured.
        few = train[:2000]
        code = fit_vocabulary(config, [text for i in few for text in (sources[i], targets[i])])
        size, longest = min(int(config.train.batch_size), len(train)), int(config.text.max_words)
        middle = sorted(train, key=lambda i: len(sources[i]))[(len(train) - size) // 2 :][:size]
        batch = collate_translation_pairs(
            *([code.encode(side[i])[:longest] for i in middle] for side in (sources, targets))
        )
        return TrialBatch(objective=Translation(build_network(config, code)), batch=batch, examples=size)

    def reopen(self, bundle: Bundle) -> TranslationPredictor:
        try:
            answers = _Answers.model_validate(bundle.file(ANSWERS))
            vocabulary = SubwordVocabulary.from_json(bundle.file(PREPARATION))
            network = new_transformer(vocabulary, int(str(bundle.card.network.settings.get("width"))))
        except ValidationError as error:
            first = error.errors()[0]
            received = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise CapasError("bundle_incomplete", where=bundle.folder / ANSWERS, received=received) from error
        except (KeyError, ValueError) as error:
            raise CapasError("bundle_incomplete", where=bundle.folder / PREPARATION, received=str(error)) from error
        filled = bundle.fill(network)
        return TranslationPredictor(filled, vocabulary, answers.longest, answers.beam, answers.alpha)


recipe = TranslationRecipe()
