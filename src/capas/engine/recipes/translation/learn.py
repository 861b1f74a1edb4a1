"""Training of translation networks."""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.bundle.write import ANSWERS, PREPARATION
from capas.data.batch import SampledBatches
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.loop import ValidationScore
from capas.engine.recipe import PreparedDataset, TestResult
from capas.engine.recipes.shared.batches import training_sampler
from capas.engine.recipes.translation.data import (
    PaddedTranslationPairs,
    collate_translation_pairs,
    fit_vocabulary,
    input_texts,
)
from capas.engine.recipes.translation.decode import translate_encoded
from capas.engine.recipes.translation.defaults import BATCH, BEAM_WIDTH, LENGTH_PENALTY, NAME
from capas.engine.recipes.translation.evaluate import evaluate_translations
from capas.engine.recipes.translation.network import build_network
from capas.networks.catalog import find_other_entry
from capas.objectives.translation import Translation

MAX_VALIDATION_PAIRS: Final = 1000


class TranslationJob:
    """Parallel texts, network and objective of a translation run (``TrainingJob``)."""

    head: str | None = None

    def __init__(self, work: PreparedDataset, ranks: Ranks) -> None:
        self.config, self.record = work.config, work.record
        self.sources, self.references = (
            [input_texts(side)[i] for i in work.indices] for side in (work.inputs, work.targets)
        )  # fmt: skip
        train = work.record.positions("train")
        both = (self.sources, self.references)
        self.vocabulary = fit_vocabulary(work.config, [side[i] for side in both for i in train.tolist()])
        self._longest = int(work.config.text.max_words)
        self._encoded = [[self.vocabulary.encode(text)[: self._longest] for text in side] for side in both]
        self._network = build_network(work.config, self.vocabulary)
        self._objective = Translation(self._network, label_smoothing=work.config.objective.label_smoothing)
        lengths = torch.tensor([sum(len(side[i]) for side in self._encoded) for i in train.tolist()])
        order = training_sampler(work.config, train, ranks, lengths=lengths)
        self._batches = SampledBatches(order, work.record.names, lambda chosen, rng: self._batch(chosen))

    def _batch(self, positions: Tensor) -> PaddedTranslationPairs:
        source, target = ([side[i] for i in positions.tolist()] for side in self._encoded)
        return collate_translation_pairs(source, target)

    @property
    def objective(self) -> Translation:
        return self._objective

    @property
    def batches(self) -> SampledBatches[PaddedTranslationPairs]:
        return self._batches

    @property
    def has_validation(self) -> bool:
        return "validation" in self.record.splits

    @torch.no_grad()
    def validate(self, execution: Execution) -> ValidationScore:
        """Return the token accuracy under teacher forcing on at most 1,000 pairs: cheap, and it rises with BLEU."""
        positions = self.record.positions("validation")[:MAX_VALIDATION_PAIRS]
        right, count, loss = 0, 0, 0.0
        for part in torch.split(self._by_length(positions), BATCH):
            batch = execution.place_batch(self._batch(part))
            with execution.autocast():
                logits = self._network(batch.source, batch.source_lengths, batch.target[:, :-1]).float()
            targets = batch.target[:, 1:]
            real = torch.arange(targets.shape[1], device=targets.device) < batch.target_lengths[:, None] - 1
            right += int((logits.argmax(2) == targets)[real].sum())
            loss += float(nn.functional.cross_entropy(logits[real], targets[real], reduction="sum"))
            count += int(real.sum())
        return ValidationScore(metric="token_accuracy", value=right / count, loss=loss / count, n=len(positions))

    def _by_length(self, positions: Tensor) -> Tensor:
        return positions[torch.tensor([len(self._encoded[1][i]) for i in positions.tolist()]).argsort(stable=True)]

    def calibrate(self, execution: Execution) -> None:
        return None

    def test(self, execution: Execution) -> TestResult:
        test = self.record.positions("test").tolist()
        names, sources, references = ([rows[i] for i in test] for rows in (self.record.names, self.sources,
                                                                           self.references))  # fmt: skip
        encoded = [self._encoded[0][i] for i in test]
        hypotheses = translate_encoded(self._network, encoded, execution)
        return evaluate_translations(
            names, sources, references, [self.vocabulary.decode(one.tokens).strip() for one in hypotheses]
        )

    def bundle_files(self) -> Mapping[str, object]:
        answers = {"beam": BEAM_WIDTH, "alpha": LENGTH_PENALTY, "longest": self._longest}
        return {PREPARATION: self.vocabulary.as_json(), ANSWERS: answers}

    def network_card(self) -> NetworkCard:
        parameters = sum(p.numel() for p in self._network.parameters())
        settings = {"width": int(self.config.network.width)}
        return NetworkCard(name=NAME, settings={**settings}, parameters=parameters, paper=find_other_entry(NAME).paper)
