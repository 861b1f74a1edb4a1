"""Training of token classifiers."""

from collections.abc import Mapping

import torch
from torch import Tensor

from capas.bundle.card import NetworkCard
from capas.bundle.write import ANSWERS, PREPARATION
from capas.data.batch import SampledBatches
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.loop import ValidationScore
from capas.engine.recipe import PreparedDataset, TestResult
from capas.engine.recipes.shared.batches import training_sampler
from capas.engine.recipes.token_classification.data import (
    LabelSet,
    TokenLabelBatch,
    collate_sentences,
    fit_word_features,
    sentences_of,
)
from capas.engine.recipes.token_classification.defaults import BATCH, NAME
from capas.engine.recipes.token_classification.evaluate import (
    MostFrequentLabelBaseline,
    evaluate_labels,
    label_headline_metric,
)
from capas.engine.recipes.token_classification.network import build_network, label_sentences
from capas.metrics.entities import token_label_metrics
from capas.networks.catalog import find_other_entry
from capas.objectives.token_classification import TokenClassification, negative_log_likelihood_per_word


class TokenClassificationJob:
    """Labelled sentences, network and objective of a token classification run (``TrainingJob``)."""

    head: str | None = None

    def __init__(self, work: PreparedDataset, ranks: Ranks) -> None:
        self.config, self.record = work.config, work.record
        self.sentences = [sentences_of(work.inputs)[i] for i in work.indices]
        self.labels = LabelSet.from_data(work.spec.classes)
        self.targets = [self.labels.to_scheme(sentences_of(work.targets)[i]) for i in work.indices]
        train = work.record.positions("train")
        self.code = fit_word_features(self.config, [self.sentences[i] for i in train.tolist()])
        self._network = build_network(self.config, self.code, self.labels)
        self._objective = TokenClassification(self._network)
        self._longest = int(self.config.text.max_words)
        lengths = torch.tensor([min(self._longest, len(self.sentences[i])) for i in train.tolist()])
        order = training_sampler(self.config, train, ranks, lengths=lengths)
        self._batches = SampledBatches(order, work.record.names, lambda chosen, rng: self._batch(chosen))

    def _batch(self, positions: Tensor) -> TokenLabelBatch:
        numbers = positions.tolist()
        given, wanted = ([rows[i][: self._longest] for i in numbers] for rows in (self.sentences, self.targets))
        return collate_sentences(self.code, self.labels, given, wanted)

    @property
    def objective(self) -> TokenClassification:
        return self._objective

    @property
    def batches(self) -> SampledBatches[TokenLabelBatch]:
        return self._batches

    @property
    def has_validation(self) -> bool:
        return "validation" in self.record.splits

    def validate(self, execution: Execution) -> ValidationScore:
        positions = self.record.positions("validation")
        figures = token_label_metrics(self._wanted(positions), self._labelled(positions, execution), resamples=1)
        metric, value = next(iter(label_headline_metric(figures, self.labels).items()))
        loss = self._loss(positions[torch.argsort(self._lengths(positions))], execution)
        return ValidationScore(metric=metric, value=value, loss=loss, n=len(positions))

    def _lengths(self, positions: Tensor) -> Tensor:
        return torch.tensor([len(self.sentences[i]) for i in positions.tolist()])

    @torch.no_grad()
    def _loss(self, positions: Tensor, execution: Execution) -> float:
        total, count = 0.0, 0
        for part in torch.split(positions, BATCH):
            batch = execution.place_batch(self._batch(part))
            words = int(batch.inputs.lengths.sum())
            with execution.autocast():
                total += float(negative_log_likelihood_per_word(self._network, batch)) * words
            count += words
        return total / count

    def calibrate(self, execution: Execution) -> None:
        return None

    def test(self, execution: Execution) -> TestResult:
        train, test = self.record.positions("train"), self.record.positions("test")
        common = MostFrequentLabelBaseline(
            [self.sentences[i] for i in train.tolist()], [self.targets[i] for i in train.tolist()], self.labels
        )
        names, given = ([rows[i] for i in test.tolist()] for rows in (self.record.names, self.sentences))
        return evaluate_labels(names, given, self._wanted(test), self._labelled(test, execution), self.labels, common)

    def _wanted(self, positions: Tensor) -> list[list[str]]:
        return [self.targets[i] for i in positions.tolist()]

    def _labelled(self, positions: Tensor, execution: Execution) -> list[list[str]]:
        given = [self.sentences[i] for i in positions.tolist()]
        found = label_sentences(self._network, self.code, self.labels, given, execution, self._longest)
        return [[word.label for word in words] for words in found]

    def bundle_files(self) -> Mapping[str, object]:
        return {
            PREPARATION: self.code.as_json(),
            ANSWERS: {"labels": list(self.labels.labels), "max_words": self._longest},
        }

    def network_card(self) -> NetworkCard:
        parameters = sum(p.numel() for p in self._network.parameters())
        return NetworkCard(
            name=NAME,
            settings={"width": int(self.config.network.width)},
            parameters=parameters,
            paper=find_other_entry(NAME).paper,
        )
