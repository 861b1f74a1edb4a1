"""What lines of writing and sounds of speech say: read by CTC, figures by character and by word."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.bundle.export import Exportable
from capas.bundle.export_forms import ReadWhole
from capas.bundle.read import Bundle
from capas.bundle.write import ANSWERS, NGRAMS, PREPARATION
from capas.core.errors import CapasError
from capas.core.messages import say
from capas.core.random import derive_seed, stream
from capas.data.batch import Batch
from capas.data.inputs import Inputs, Texts
from capas.data.look import Look
from capas.engine.choose import Execution, Trial
from capas.engine.config import Config
from capas.engine.loop import Score
from capas.engine.parallel import Ranks
from capas.engine.recipe import Item, Prediction, Settled, Tested, Work
from capas.engine.recipes.answer_kinds import TEMPERATURE
from capas.engine.recipes.drawn import DrawnBatches
from capas.engine.recipes.one_answer import order_of
from capas.engine.recipes.reader_start import alphabet_from, start_from
from capas.engine.recipes.reading_choice import chosen_reading, ngrams_of, reading_json, reopened_reading
from capas.engine.recipes.reading_sides import Padded, ReadingSide, SoundSide, side_of, side_of_card
from capas.engine.recipes.subtitles import as_srt, with_files
from capas.engine.recipes.word_times import lines_of, timed_words
from capas.engine.settle import chosen, with_sections
from capas.networks.catalog import described
from capas.networks.crnn import STEPS_PER_FRAME
from capas.pages.normalise import KEPT, Rules, rules_of
from capas.tasks.ctc import frames_needed
from capas.tasks.edit_distance import character_error_rate, edits, word_error_rate
from capas.tasks.metrics import rate
from capas.tasks.transcribe import (
    Alphabet,
    Decoder,
    Transcript,
    Transcription,
    composed,
    ctc_temperature,
    padded_labels,
    read_greedily,
)

WIDTH: Final = 24
BATCH: Final = 16
LINES_SEEN: Final = 20_000
TRIED: Final = 300  # validation lines, to choose how to read
UNKNOWN_LABELS: Final = 60  # when only the time is estimated


def settle(config: Config, seen: Look) -> Settled:
    """Decide what ``config`` leaves open for lines and sounds with transcripts."""
    side = side_of(seen.detection.spec.medium)
    if config.network.name not in ("auto", side.name):
        raise CapasError("network_not_for", where="network.name", received=config.network.name, names=side.name)
    n = max(1, seen.split.count("train"))
    epochs = chosen(config.train.epochs, float(max(5, min(200, round(LINES_SEEN / n)))))
    updates: dict[str, dict[str, object]] = {
        **side.settled(config, seen),
        "network": {"name": side.name, "width": chosen(config.network.width, WIDTH), "pretrained": False,
                    "mirrored": False},
        "train": {"batch_size": chosen(config.train.batch_size, max(4, min(BATCH, n // 10))), "epochs": epochs},
        "optim": {"optimizer": chosen(config.optim.optimizer, "adamw"),
                  "learning_rate": chosen(config.optim.learning_rate, 2e-3),
                  "weight_decay": chosen(config.optim.weight_decay, 1e-3)},
    }  # fmt: skip
    texts = _texts(seen.source.targets, rules_of(config.data.transcripts))
    read = alphabet_from(config.network.start, [texts[i] for i, part in enumerate(seen.split) if part == "train"])
    reasons = (
        say("settle.transcribe", network=side.name, alphabet=len(read.characters)),
        say("settle.epochs", epochs=int(epochs), n=n),
    )
    return Settled(config=with_sections(config, updates), reasons=reasons)


def _texts(targets: Inputs | None, rules: Rules) -> Sequence[str]:
    assert isinstance(targets, Texts)
    return [composed(rules.applied(text)) for text in targets.texts]


class OnLines(nn.Module):
    """Calls ``network`` with the values and lengths of a batch."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, lines: Padded) -> tuple[Tensor, Tensor]:
        logits, frames = self.network(lines.values, lines.lengths)
        return logits, frames


class LearnTranscription:
    """Lines or sounds, their transcripts, network and objective of a run (``Learnable``)."""

    def __init__(self, work: Work, side: ReadingSide, ranks: Ranks) -> None:
        self.config, self.record = work.config, work.record
        self.rules = rules_of(self.config.data.transcripts)
        texts = _texts(work.targets, self.rules)
        self.texts = [texts[i] for i in work.indices]
        train = work.record.positions("train")
        self.alphabet = alphabet_from(self.config.network.start, [self.texts[i] for i in train.tolist()])
        self.examples = side.read_all(work)
        self.side = side = side.fitted([self.examples[i] for i in train.tolist()])
        self.decoder, self.temperature, self._tried = Decoder(alphabet=self.alphabet), 1.0, dict[str, float]()
        self._labels = [self.alphabet.labels(text) for text in self.texts]
        self._network = build_network(self.config, side, self.alphabet.num_labels)
        if self.config.network.start:
            start_from(self._network, self.config.network.start, self.alphabet)
        self._objective = Transcription(self._network)
        lengths = torch.tensor([side.length(self.examples[i]) for i in train.tolist()])
        needed = torch.tensor([frames_needed(self._labels[i]) for i in train.tolist()])
        fits = (side.frames(lengths) >= needed) & (needed > 0)
        if not fits.any():
            raise CapasError("transcripts_all_short", received=len(train))
        order = order_of(self.config, train[fits], ranks, lengths=lengths[fits])
        self._batches = DrawnBatches(order, work.record.names, self._vary)

    def _vary(self, positions: Tensor, rng: torch.Generator) -> tuple[Padded, Tensor]:
        chosen_ones = positions.tolist()
        lines = self.side.collate([self.examples[i] for i in chosen_ones], self.config, rng)
        return lines, padded_labels([self._labels[i] for i in chosen_ones])

    @property
    def objective(self) -> Transcription:
        return self._objective

    @property
    def batches(self) -> DrawnBatches[Padded]:
        return self._batches

    @property
    def head(self) -> str | None:
        return None

    @property
    def validates(self) -> bool:
        return "validation" in self.record.splits

    def _read(self, positions: Sequence[int], execution: Execution) -> Iterator[tuple[int, Tensor]]:
        """Position and logits T×K of each, those of like length together."""
        ordered = sorted(positions, key=lambda i: self.side.length(self.examples[i]))
        for start in range(0, len(ordered), BATCH):
            part = ordered[start : start + BATCH]
            lines = self.side.collate([self.examples[i] for i in part])
            yield from zip(part, logits_of(self._network, lines, execution), strict=True)

    def validate(self, execution: Execution) -> Score:
        positions = self.record.positions("validation").tolist()
        wrong, length, losses = 0, 0, []
        for i, logits in self._read(positions, execution):
            text = read_greedily(logits, self.alphabet).text
            wrong, length = wrong + edits(self.texts[i], text).distance, length + len(self.texts[i])
            labels = self._labels[i]
            if 0 < frames_needed(labels) <= len(logits):
                frames = torch.tensor([len(logits)])
                losses.append(float(self._objective.loss(logits[None], frames, padded_labels([labels]))))
        accuracy = 1 - wrong / max(1, length)
        loss = sum(losses) / max(1, len(losses))
        return Score(metric="character_accuracy", value=accuracy, loss=loss, n=len(positions))

    def finish(self, execution: Execution) -> None:
        """Fit the temperature and choose how to read, on the validation lines (``reading_choice``). Of sounds the best
        path is kept: it also says when each word is spoken."""
        if isinstance(self.side, SoundSide):
            return
        positions = self.record.positions("validation").tolist()[:TRIED] if self.validates else []
        likely = self._read_by_half(positions, execution)
        self.temperature = ctc_temperature(list(likely.values()), [self._labels[i] for i in likely])
        lines = [(self.texts[i], logits / self.temperature) for i, logits in likely.items()]
        train = (self.texts[i] for i in self.record.positions("train").tolist())
        ngrams = ngrams_of(self.config, train, self.alphabet, self.rules)
        choice = chosen_reading(lines, self.alphabet, ngrams, wanted=self.config.network.ngrams != "auto")
        self.decoder, self._tried = choice.decoder, dict(choice.tried)

    def _read_by_half(self, positions: Sequence[int], execution: Execution) -> dict[int, Tensor]:
        """Logits of the lines of which the best path reads at least half. Where more is wrong, the transcript rather
        belongs to another line: no probability is low enough for it, so that a page of such lines would soften all
        others, and no way of reading is good."""
        return {
            i: logits for i, logits in self._read(positions, execution)
            if 2 * edits(self.texts[i], read_greedily(logits, self.alphabet).text).distance <= len(self.texts[i])
        }  # fmt: skip

    def test(self, execution: Execution) -> Tested:
        positions = self.record.positions("test").tolist()
        found = {i: self.decoder.read(logits / self.temperature) for i, logits in self._read(positions, execution)}
        names, texts = ([held[i] for i in positions] for held in (self.record.names, self.texts))
        return tested_on(names, texts, [found[i] for i in positions])

    def files(self) -> Mapping[str, object]:
        answers: dict[str, object] = {
            "kind": "transcript", "alphabet": self.alphabet.characters, **reading_json(self.decoder),
            "temperature": round(self.temperature, 6),
        }  # fmt: skip
        if self._tried:
            answers["cer_on_validation"] = self._tried
        if self.rules.name != KEPT:
            answers["transcripts"] = self.rules.model_dump(mode="json")
        ngrams = {NGRAMS: self.decoder.ngrams.as_json()} if self.decoder.ngrams else {}
        return {PREPARATION: self.side.as_json(), ANSWERS: answers, **ngrams}

    def network_card(self) -> NetworkCard:
        settings = {
            "width": int(self.config.network.width),
            "hidden": self.side.hidden,
            "num_labels": self.alphabet.num_labels,
        }
        rules = {} if self.rules.name == KEPT else {"transcripts": self.rules.told}
        parameters = sum(p.numel() for p in self._network.parameters())
        return NetworkCard(
            name=self.side.name,
            settings={**settings, **rules},
            parameters=parameters,
            paper=described(self.side.name).paper,
        )


def build_network(config: Config, side: ReadingSide, num_labels: int) -> nn.Module:
    """With weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    return OnLines(side.network(num_labels, int(config.network.width), side.hidden)).train()


@torch.no_grad()
def logits_of(network: nn.Module, lines: Padded, execution: Execution) -> list[Tensor]:
    """The logits T×K of each line, float32 on the CPU, without the frames behind its end."""
    network.eval()
    with execution.autocast():
        logits, frames = network(execution.place_batch(lines))
    return [one[:count] for one, count in zip(logits.float().cpu(), frames.tolist(), strict=True)]


def tested_on(names: Sequence[str], texts: Sequence[str], transcripts: Sequence[Transcript]) -> Tested:
    """Error rates over all lines; without learning, nothing is read and every character is wrong."""
    found = [transcript.text for transcript in transcripts]
    rows = [["example", "text", "prediction", "probability", "errors"]]
    for name, text, one in zip(names, texts, transcripts, strict=True):
        rows.append([name, text, one.text, f"{one.probability:.6f}", str(edits(text, one.text).distance)])
    metrics: dict[str, object] = {
        "cer": character_error_rate(texts, found).as_json(),
        "wer": word_error_rate(texts, found).as_json(),
        "exact": rate(sum(a == b for a, b in zip(texts, found, strict=True)), len(texts)).as_json(),
    }
    nothing = {name: {"value": value, "n": len(texts), "interval": [value, value]}
               for name, value in (("cer", 1.0), ("wer", 1.0), ("exact", 0.0))}  # fmt: skip
    return Tested(n=len(texts), metrics=metrics, baseline={"nothing": nothing}, rows=rows)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held:
    """One example, read."""

    values: Tensor


class TranscriptionModel:
    """A finished model (``Answering``) that reads lines or sounds."""

    def __init__(
        self, network: nn.Module, side: ReadingSide, decoder: Decoder, temperature: float = 1.0,
        rules: Rules | None = None,
    ) -> None:  # fmt: skip
        self._network = network
        self.temperature = temperature
        self.decoder = decoder
        self.side = side
        self.rules = rules or rules_of(KEPT)

    @property
    def alphabet(self) -> Alphabet:
        return self.decoder.alphabet

    @property
    def network(self) -> nn.Module:
        return self._network

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return self.side.items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return self.side.item(content, number)

    def read(self, item: Item) -> object:
        return _Held(values=self.side.read(item))

    def logits(self, examples: Sequence[Tensor]) -> list[Tensor]:
        """Those of each example, T×K, float32."""
        device = next(self._network.parameters()).device
        execution = Execution(device=str(device), precision="float32", memory_format="contiguous", threads=1, reason="")
        starts = [*range(0, len(examples), BATCH), len(examples)]
        return [
            logits
            for start, end in pairwise(starts)
            for logits in logits_of(self._network, self.side.collate(list(examples[start:end])), execution)
        ]

    def answer(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        found = self.logits([held.values for held in prepared if isinstance(held, _Held)])
        return [self._answered(name, logits) for name, logits in zip(names, found, strict=True)]

    def _answered(self, name: str, logits: Tensor) -> Prediction:
        """What one line or sound says; of a sound also when, and as subtitles."""
        one = self.decoder.read(logits / self.temperature)
        answer = Prediction(
            input=name, prediction=one.text, text=one.text, probability=one.probability,
            facts={"probability": round(one.probability, 6),
                   "character_probabilities": [round(p, 4) for p in one.probabilities]},
        )  # fmt: skip
        if not isinstance(self.side, SoundSide):
            return answer
        mel = self.side.preparation.mel
        words = timed_words(logits, self.alphabet, STEPS_PER_FRAME * mel.hop / mel.rate)
        facts = {**answer.facts, "word_times": [word.as_json("text") for word in words]}
        return with_files(replace(answer, facts=facts), {".srt": as_srt(lines_of(words))})

    def retest(self, seen: Look, indices: Sequence[int]) -> Tested:
        texts = _texts(seen.source.targets, self.rules)
        found = [self.logits([self.side.read_example(seen.inputs, i)])[0] for i in indices]
        transcripts = [self.decoder.read(logits / self.temperature) for logits in found]
        return tested_on([seen.inputs.name(i) for i in indices], [texts[i] for i in indices], transcripts)

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        assert isinstance(self._network, OnLines)
        given, heard = self.side.given()
        examples = [held.values[None] for held in prepared if isinstance(held, _Held)] or [given.example]
        told = "natural logarithms, of every frame; take the best label of each, merge repeats, drop label 0 (CTC)"
        return Exportable(
            network=ReadWhole(self._network.network, heard), inputs=[given], output="log_probabilities",
            axes=(1, "frames", self.alphabet.num_labels), compared=[(one,) for one in examples], count=len(examples),
            facts={"alphabet": self.alphabet.characters, "log_probabilities": told,
                   "labels": "label k is the k-th character of the alphabet", "preparation": self.side.as_json()},
        )  # fmt: skip


class TranscriptionRecipe:
    """How lines and sounds are read (``Recipe``)."""

    def settle(self, config: Config, seen: Look) -> Settled:
        return settle(config, seen)

    def prepare(self, work: Work, ranks: Ranks) -> LearnTranscription:
        return LearnTranscription(work, side_of(work.spec.medium, work.config), ranks)

    def trial(self, config: Config, seen: Look) -> Trial[Batch[Padded]]:
        side = side_of(seen.detection.spec.medium, config)
        count = min(int(config.train.batch_size), max(1, seen.split.count("train")))
        lines = side.collate([side.like(seen, stream(0, "trial", i)) for i in range(count)])
        labels = torch.randint(1, UNKNOWN_LABELS, (count, 1), generator=stream(0, "trial"))
        batch = Batch(inputs=lines, targets=labels, positions=torch.arange(count))
        objective = Transcription(build_network(config, side, UNKNOWN_LABELS))
        return Trial(objective=objective, batch=batch, examples=count)

    def reopen(self, bundle: Bundle) -> TranscriptionModel:
        side = side_of_card(bundle)
        answers = bundle.file(ANSWERS)
        alphabet = Alphabet(characters=str(answers.get("alphabet", "")))
        decoder = reopened_reading(bundle, alphabet)
        try:
            temperature = TEMPERATURE.validate_python(answers.get("temperature", 1.0))
            rules = Rules.model_validate(answers.get("transcripts", {"name": KEPT}))
        except ValidationError as error:
            received = str(error.errors()[0]["msg"])
            raise CapasError("bundle_incomplete", where=bundle.folder / ANSWERS, received=received) from error
        settings = bundle.card.network.settings
        if settings.get("num_labels") != alphabet.num_labels:
            received = f"{alphabet.num_labels} ≠ {settings.get('num_labels')}"
            raise CapasError("bundle_incomplete", where=bundle.folder / ANSWERS, received=received)
        width, hidden = (int(settings.get(name) or 0) for name in ("width", "hidden"))
        network = OnLines(side.network(alphabet.num_labels, width, hidden))
        bundle.fill(network)
        return TranscriptionModel(network, side, decoder, temperature, rules)


recipe = TranscriptionRecipe()
