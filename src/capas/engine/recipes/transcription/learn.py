"""Training of line and speech recognisers with CTC."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import torch
from torch import Tensor

from capas.bundle.card import NetworkCard
from capas.bundle.write import ANSWERS, NGRAMS, PREPARATION
from capas.core.errors import CapasError
from capas.decoding.ctc import min_ctc_frames
from capas.decoding.transcripts import CTCDecoder, greedy_transcript
from capas.engine.distributed import Ranks
from capas.engine.execution import Execution
from capas.engine.loop import ValidationScore
from capas.engine.recipe import PreparedDataset, TestResult
from capas.engine.recipes.shared.batches import JointlyAugmentedBatches, training_sampler
from capas.engine.recipes.transcription.data import normalised_transcripts
from capas.engine.recipes.transcription.decoder_selection import (
    decoder_json,
    fit_ngrams,
    select_decoder,
)
from capas.engine.recipes.transcription.defaults import BATCH
from capas.engine.recipes.transcription.evaluate import evaluate_transcripts
from capas.engine.recipes.transcription.input_protocol import PaddedSequences, SequenceInputs
from capas.engine.recipes.transcription.network import build_network, forward_sequences
from capas.engine.recipes.transcription.speech import SpeechInputs
from capas.engine.recipes.transcription.warm_start import extended_alphabet, init_reader_from
from capas.metrics.edit_distance import count_edits
from capas.networks.catalog import find_other_entry
from capas.objectives.transcription import Transcription, ctc_temperature, pad_labels
from capas.page_formats.normalise import KEPT, load_rules

MAX_TUNING_LINES: Final = 300  # validation lines, to choose how to read


class TranscriptionJob:
    """Line images or speech, transcripts, network and objective of a run (``TrainingJob``)."""

    def __init__(self, work: PreparedDataset, inputs: SequenceInputs, ranks: Ranks) -> None:
        self.config, self.record = work.config, work.record
        self.rules = load_rules(self.config.data.transcripts)
        texts = normalised_transcripts(work.targets, self.rules)
        self.texts = [texts[i] for i in work.indices]
        train = work.record.positions("train")
        self.alphabet = extended_alphabet(self.config.network.init_from, [self.texts[i] for i in train.tolist()])
        self.examples = inputs.read_all(work)
        self.inputs = inputs = inputs.fit([self.examples[i] for i in train.tolist()])
        self.decoder, self.temperature, self._tried = CTCDecoder(alphabet=self.alphabet), 1.0, dict[str, float]()
        self._labels = [self.alphabet.encode(text) for text in self.texts]
        self._network = build_network(self.config, inputs, self.alphabet.num_labels)
        if self.config.network.init_from:
            init_reader_from(self._network, self.config.network.init_from, self.alphabet)
        self._objective = Transcription(self._network)
        lengths = torch.tensor([inputs.length(self.examples[i]) for i in train.tolist()])
        needed = torch.tensor([min_ctc_frames(self._labels[i]) for i in train.tolist()])
        fits = (inputs.num_frames(lengths) >= needed) & (needed > 0)
        if not fits.any():
            raise CapasError("transcripts_all_short", received=len(train))
        order = training_sampler(self.config, train[fits], ranks, lengths=lengths[fits])
        self._batches = JointlyAugmentedBatches(order, work.record.names, self._augment_batch)

    def _augment_batch(self, positions: Tensor, rng: torch.Generator) -> tuple[PaddedSequences, Tensor]:
        chosen_ones = positions.tolist()
        lines = self.inputs.collate([self.examples[i] for i in chosen_ones], self.config, rng)
        return lines, pad_labels([self._labels[i] for i in chosen_ones])

    @property
    def objective(self) -> Transcription:
        return self._objective

    @property
    def batches(self) -> JointlyAugmentedBatches[PaddedSequences]:
        return self._batches

    @property
    def head(self) -> str | None:
        return None

    @property
    def has_validation(self) -> bool:
        return "validation" in self.record.splits

    def _predict_logits(self, positions: Sequence[int], execution: Execution) -> Iterator[tuple[int, Tensor]]:
        """Position and logits (T, K) of each example, in batches of similar length."""
        ordered = sorted(positions, key=lambda i: self.inputs.length(self.examples[i]))
        for start in range(0, len(ordered), BATCH):
            part = ordered[start : start + BATCH]
            lines = self.inputs.collate([self.examples[i] for i in part])
            yield from zip(part, forward_sequences(self._network, lines, execution), strict=True)

    def validate(self, execution: Execution) -> ValidationScore:
        positions = self.record.positions("validation").tolist()
        wrong, length, losses = 0, 0, []
        for i, logits in self._predict_logits(positions, execution):
            text = greedy_transcript(logits, self.alphabet).text
            wrong, length = wrong + count_edits(self.texts[i], text).distance, length + len(self.texts[i])
            labels = self._labels[i]
            if 0 < min_ctc_frames(labels) <= len(logits):
                frames = torch.tensor([len(logits)])
                losses.append(float(self._objective.loss(logits[None], frames, pad_labels([labels]))))
        accuracy = 1 - wrong / max(1, length)
        loss = sum(losses) / max(1, len(losses))
        return ValidationScore(metric="character_accuracy", value=accuracy, loss=loss, n=len(positions))

    def calibrate(self, execution: Execution) -> None:
        """Fit the temperature and select the decoder on the validation lines (``decoder_selection``).

        For speech the best path is kept: it also says when each word is spoken.
        """
        if isinstance(self.inputs, SpeechInputs):
            return
        positions = self.record.positions("validation").tolist()[:MAX_TUNING_LINES] if self.has_validation else []
        likely = self._half_readable_logits(positions, execution)
        self.temperature = ctc_temperature(list(likely.values()), [self._labels[i] for i in likely])
        lines = [(self.texts[i], logits / self.temperature) for i, logits in likely.items()]
        train = (self.texts[i] for i in self.record.positions("train").tolist())
        ngrams = fit_ngrams(self.config, train, self.alphabet, self.rules)
        choice = select_decoder(lines, self.alphabet, ngrams, force_ngrams=self.config.network.ngrams != "auto")
        self.decoder, self._tried = choice.decoder, dict(choice.tried)

    def _half_readable_logits(self, positions: Sequence[int], execution: Execution) -> dict[int, Tensor]:
        """Logits of the lines of which the best path reads at least half. Where more is wrong, the transcript rather
        belongs to another line: no probability is low enough for it, so that a page of such lines would soften all
        others, and no decoder is good.
        """
        return {
            i: logits for i, logits in self._predict_logits(positions, execution)
            if 2 * count_edits(self.texts[i], greedy_transcript(logits, self.alphabet).text).distance
            <= len(self.texts[i])
        }  # fmt: skip

    def test(self, execution: Execution) -> TestResult:
        positions = self.record.positions("test").tolist()
        found = {
            i: self.decoder.decode(logits / self.temperature)
            for i, logits in self._predict_logits(positions, execution)
        }
        names, texts = ([held[i] for i in positions] for held in (self.record.names, self.texts))
        return evaluate_transcripts(names, texts, [found[i] for i in positions])

    def bundle_files(self) -> Mapping[str, object]:
        answers: dict[str, object] = {
            "kind": "transcript", "alphabet": self.alphabet.characters, **decoder_json(self.decoder),
            "temperature": round(self.temperature, 6),
        }  # fmt: skip
        if self._tried:
            answers["cer_on_validation"] = self._tried
        if self.rules.name != KEPT:
            answers["transcripts"] = self.rules.model_dump(mode="json")
        ngrams = {NGRAMS: self.decoder.ngrams.as_json()} if self.decoder.ngrams else {}
        return {PREPARATION: self.inputs.as_json(), ANSWERS: answers, **ngrams}

    def network_card(self) -> NetworkCard:
        settings = {
            "width": int(self.config.network.width),
            "hidden": self.inputs.hidden,
            "num_labels": self.alphabet.num_labels,
        }
        rules = {} if self.rules.name == KEPT else {"transcripts": self.rules.description}
        parameters = sum(p.numel() for p in self._network.parameters())
        return NetworkCard(
            name=self.inputs.name,
            settings={**settings, **rules},
            parameters=parameters,
            paper=find_other_entry(self.inputs.name).paper,
        )
