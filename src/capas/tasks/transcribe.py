"""Transcripts of lines and sounds, learnt by CTC (``ctc.py``): the alphabet, the loss, and how sure each character is.

Texts are compared in Unicode's composed form (NFC). Label 0 is the blank, label k the k-th character of the alphabet;
characters that the training transcripts do not have cannot be read: they count as errors.
"""

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.core.objective import Phase
from capas.tasks.character_ngrams import CharacterNgrams
from capas.tasks.ctc import BLANK, aligned, beam_search, ctc_loss, frames_needed


@dataclass(frozen=True, kw_only=True, slots=True)
class Alphabet:
    """The ``characters`` that can be read, in the order of their labels 1, 2, …"""

    characters: str

    @staticmethod
    def of(texts: Iterable[str]) -> "Alphabet":
        """All characters of ``texts``, in the order of their code points.

        >>> Alphabet.of(["banana", "ñ"]).characters
        'abnñ'
        """
        return Alphabet(characters="".join(sorted({c for text in texts for c in composed(text)})))

    @property
    def num_labels(self) -> int:
        """With the blank."""
        return len(self.characters) + 1

    def labels(self, text: str) -> list[int]:
        """The labels of a text; characters that are not in the alphabet are left out."""
        number = {character: label for label, character in enumerate(self.characters, 1)}
        return [number[c] for c in composed(text) if c in number]

    def text(self, labels: Iterable[int]) -> str:
        """The characters of labels 1, 2, …"""
        return "".join(self.characters[label - 1] for label in labels)


def composed(text: str) -> str:
    """In NFC."""
    return unicodedata.normalize("NFC", text)


@runtime_checkable
class TranscriptBatch(Protocol):
    """What this task needs of a batch."""

    @property
    def inputs(self) -> object:
        """What the network is called with."""

    @property
    def targets(self) -> Tensor:
        """Labels B×L, each row filled up with blanks (0)."""


class Transcription:
    """The objective: ``network`` maps inputs to logits B×T×K and the frames of each line; the loss is CTC's, in nats
    per character. A line too short for its labels must not be in a batch: its loss is infinite."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"network": self.network}

    @property
    def phases(self) -> Sequence[Phase]:
        return (Phase(name="correct", loss="loss", networks=("network",)),)

    def losses(self, batch: TranscriptBatch, phase: Phase, rng: torch.Generator) -> Mapping[str, Tensor]:
        logits, frames = self.network(batch.inputs)
        return {"loss": self.loss(logits, frames, batch.targets)}

    def loss(
        self, logits: Float[Tensor, "B T K"], frames: Int[Tensor, " B"], labels: Int[Tensor, "B L"]
    ) -> Float[Tensor, ""]:
        """The mean over lines of -log P(labels) per label."""
        lengths = (labels != BLANK).sum(1)
        losses = ctc_loss(logits.float().log_softmax(2), frames, labels, lengths)
        return (losses / lengths.clamp(min=1)).mean()


def ctc_temperature(logits: Sequence[Float[Tensor, "_ K"]], labels: Sequence[Sequence[int]]) -> float:
    """The number to divide logits by that makes the true transcripts of these lines most probable (Guo et al. 2017,
    ``tasks.calibration``, for sequences): between 1/4 and 4, to about 1 %; 1 where no line can be judged."""
    pairs = [(line, one) for line, one in zip(logits, labels, strict=True) if 0 < frames_needed(one) <= len(line)]
    if not pairs:
        return 1.0
    frames = torch.tensor([len(line) for line, _ in pairs])
    lines_BTK = nn.utils.rnn.pad_sequence([line.float() for line, _ in pairs], batch_first=True)
    targets = padded_labels([one for _, one in pairs])
    lengths = (targets != BLANK).sum(1)

    def loss(logarithm: float) -> float:
        log_probs_BTK = (lines_BTK / math.exp(logarithm)).log_softmax(2)
        return float(ctc_loss(log_probs_BTK, frames, targets, lengths).sum())

    low, high, golden = -math.log(4), math.log(4), (math.sqrt(5) - 1) / 2
    while high - low > 0.01:
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return math.exp((low + high) / 2)


def padded_labels(rows: Sequence[Sequence[int]]) -> Int[Tensor, "B L"]:
    """Rows of labels, filled up with blanks."""
    padded = torch.zeros(len(rows), max(1, *map(len, rows)) if rows else 1, dtype=torch.long)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = torch.tensor(row, dtype=torch.long)
    return padded


@dataclass(frozen=True, kw_only=True, slots=True)
class Transcript:
    """What was read, and how sure the network is of each character: its probability (0..1, of calibrated logits where
    they are) in its surest frame on the most probable path that says the text. However the text was found (by the best
    path, with a beam, with n-grams), it is the network's probability of what was found: no language model counts in
    it."""

    text: str
    probabilities: tuple[float, ...]

    @property
    def probability(self) -> float:
        """The mean over the characters; 1 where nothing was read."""
        return sum(self.probabilities) / len(self.probabilities) if self.probabilities else 1.0


def read_greedily(logits_TK: Float[Tensor, "T K"], alphabet: Alphabet) -> Transcript:
    """The best label of every frame, repeats merged, blanks dropped."""
    surest, path = logits_TK.float().softmax(1).max(1)
    runs = groupby(zip(path.tolist(), surest.tolist(), strict=True), key=lambda frame: frame[0])
    read = [(label, max(chance for _, chance in frames)) for label, frames in runs if label != BLANK]
    return Transcript(text=alphabet.text(label for label, _ in read), probabilities=tuple(p for _, p in read))


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoder:
    """How logits become a text: by the best path where ``beam`` is 0, else as ``ctc.beam_search`` finds it in a beam of
    that width, with ``ngrams`` (of which ``weight`` and ``bonus`` are there) where there are some."""

    alphabet: Alphabet
    beam: int = 0
    ngrams: CharacterNgrams | None = None
    weight: float = 0.0
    bonus: float = 0.0

    def read(self, logits_TK: Float[Tensor, "T K"]) -> Transcript:
        """What a line says; logits that are calibrated or logarithms of probabilities, in nats."""
        if not self.beam:
            return read_greedily(logits_TK, self.alphabet)
        log_probs = logits_TK.double().log_softmax(1)
        best = beam_search(
            log_probs, width=self.beam, language_model=self.ngrams, language_weight=self.weight, label_bonus=self.bonus
        )[0].labels
        return Transcript(text=self.alphabet.text(best), probabilities=surest_frames(log_probs, best))

    @property
    def told(self) -> str:
        """In short, for who checks a result.

        >>> Decoder(alphabet=Alphabet(characters="ab"), beam=16).told
        'beam 16'
        """
        if not self.beam:
            return "best path"
        ngrams = f", {self.ngrams.order}-grams × {self.weight:g}, bonus {self.bonus:g}" if self.ngrams else ""
        return f"beam {self.beam}{ngrams}"


def surest_frames(log_probs_TK: Float[Tensor, "T K"], labels: Sequence[int]) -> tuple[float, ...]:
    """How probable each label is in its surest frame, on the most probable path that says ``labels``. Raises ValueError
    where the frames are too few for them."""
    log_probs = log_probs_TK.numpy()
    spans = zip(labels, aligned(log_probs, labels), strict=True)
    return tuple(math.exp(log_probs[start:end, label].max()) for label, (start, end) in spans)
