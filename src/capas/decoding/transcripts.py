"""Transcripts of lines and sounds, learnt by CTC (``ctc.py``): the alphabet, the loss, and how sure each character is.

Texts are compared in Unicode's composed form (NFC). Label 0 is the blank, label k the k-th character of the alphabet;
characters that the training transcripts do not have cannot be read: they count as errors.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from jaxtyping import Float
from torch import Tensor

from capas.decoding.alphabet import Alphabet
from capas.decoding.character_ngrams import CharacterNgrams
from capas.decoding.ctc import BLANK, ctc_beam_search, ctc_forced_alignment


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


def greedy_transcript(logits_TK: Float[Tensor, "T K"], alphabet: Alphabet) -> Transcript:
    """The best label of every frame, repeats merged, blanks dropped."""
    surest, path = logits_TK.float().softmax(1).max(1)
    runs = groupby(zip(path.tolist(), surest.tolist(), strict=True), key=lambda frame: frame[0])
    read = [
        (label, max(frame_probability for _, frame_probability in frames)) for label, frames in runs if label != BLANK
    ]
    return Transcript(text=alphabet.decode(label for label, _ in read), probabilities=tuple(p for _, p in read))


@dataclass(frozen=True, kw_only=True, slots=True)
class CTCDecoder:
    """How logits become a text: by the best path where ``beam`` is 0, else as ``ctc.beam_search`` finds it in a beam of
    that width, with ``ngrams`` (of which ``weight`` and ``bonus`` are there) where there are some."""

    alphabet: Alphabet
    beam: int = 0
    ngrams: CharacterNgrams | None = None
    weight: float = 0.0
    bonus: float = 0.0

    def decode(self, logits_TK: Float[Tensor, "T K"]) -> Transcript:
        """What a line says; logits that are calibrated or logarithms of probabilities, in nats."""
        if not self.beam:
            return greedy_transcript(logits_TK, self.alphabet)
        log_probs = logits_TK.double().log_softmax(1)
        best = ctc_beam_search(
            log_probs, width=self.beam, language_model=self.ngrams, language_weight=self.weight, label_bonus=self.bonus
        )[0].labels
        return Transcript(text=self.alphabet.decode(best), probabilities=label_confidences(log_probs, best))

    @property
    def description(self) -> str:
        """In short, for who checks a result.

        >>> Decoder(alphabet=Alphabet(characters="ab"), beam=16).told
        'beam 16'
        """
        if not self.beam:
            return "best path"
        ngrams = f", {self.ngrams.order}-grams × {self.weight:g}, bonus {self.bonus:g}" if self.ngrams else ""
        return f"beam {self.beam}{ngrams}"


def label_confidences(log_probs_TK: Float[Tensor, "T K"], labels: Sequence[int]) -> tuple[float, ...]:
    """How probable each label is in its surest frame, on the most probable path that says ``encode``. Raises ValueError
    where the frames are too few for them."""
    log_probs = log_probs_TK.numpy()
    spans = zip(labels, ctc_forced_alignment(log_probs, labels), strict=True)
    return tuple(math.exp(log_probs[start:end, label].max()) for label, (start, end) in spans)
