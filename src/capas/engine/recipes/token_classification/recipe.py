"""The recipe for token classification: entities (B-PER, I-PER, O …) or labels of single words."""

from typing import cast

from capas.bundle.read import Bundle
from capas.bundle.write import ANSWERS, PREPARATION
from capas.core.errors import CapasError
from capas.data.inspect.report import DatasetReport
from capas.data.text.word_features import WordFeatures
from capas.engine.config import Config
from capas.engine.distributed import Ranks
from capas.engine.execution import TrialBatch
from capas.engine.recipe import PreparedDataset, ResolvedConfig
from capas.engine.recipes.token_classification.data import (
    LabelSet,
    TokenLabelBatch,
    collate_sentences,
    fit_word_features,
    sentences_of,
)
from capas.engine.recipes.token_classification.defaults import MAX_WORDS, resolve_defaults
from capas.engine.recipes.token_classification.learn import TokenClassificationJob
from capas.engine.recipes.token_classification.network import build_network
from capas.engine.recipes.token_classification.predictor import TokenClassificationPredictor
from capas.objectives.token_classification import TokenClassification


class TokenClassificationRecipe:
    """The recipe for token classification (``Recipe``)."""

    def resolve_defaults(self, config: Config, report: DatasetReport) -> ResolvedConfig:
        return resolve_defaults(config, report)

    def prepare(self, work: PreparedDataset, ranks: Ranks) -> TokenClassificationJob:
        return TokenClassificationJob(work, ranks)

    def trial(self, config: Config, report: DatasetReport) -> TrialBatch[TokenLabelBatch]:
        train = [i for i, part in enumerate(report.split) if part == "train"]
        labels, words = LabelSet.from_data(report.detection.spec.classes), sentences_of(report.inputs)
        code = fit_word_features(config, [words[i] for i in train])
        middle = sorted(train, key=lambda i: len(words[i]))
        size = min(int(config.train.batch_size), len(train))
        start = (len(middle) - size) // 2
        first, longest = middle[start : start + size], int(config.text.max_words)
        wanted = [labels.to_scheme(sentences_of(report.source.targets)[i])[:longest] for i in first]
        batch = collate_sentences(code, labels, [words[i][:longest] for i in first], wanted)
        return TrialBatch(
            objective=TokenClassification(build_network(config, code, labels)), batch=batch, examples=size
        )

    def reopen(self, bundle: Bundle) -> TokenClassificationPredictor:
        answers_file = bundle.file(ANSWERS)
        width = bundle.card.network.settings.get("width")
        try:
            code = WordFeatures.from_json(bundle.file(PREPARATION))
            labels = LabelSet([str(label) for label in cast(list[object], answers_file.get("labels") or [])])
            longest = int(str(answers_file.get("max_words", MAX_WORDS)))
            if longest < 1 or not all(labels.labels):
                raise ValueError(f"max_words: {longest}; labels: {labels.labels}"[:200])
            network = labels.network(code, int(str(width)))
        except (ValueError, TypeError) as error:
            raise CapasError("bundle_incomplete", where=bundle.folder / ANSWERS, received=str(error)) from error
        return TokenClassificationPredictor(bundle.fill(network), code, labels, longest)


recipe = TokenClassificationRecipe()
