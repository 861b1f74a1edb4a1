"""Transcripts from CTC logits, with a confidence per character.

Texts are compared in Unicode's composed form (NFC). Label 0 is the blank, label k the k-th character of the alphabet;
characters that the training transcripts do not have cannot be predicted: they count as errors.
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
    """A transcript with the confidence of each character.

    A character's probability (0..1) is that of its most probable frame on the best path of the text. However the text
    was found (best path, beam, n-grams), it is the network's probability: no language model counts in it.
    """

    text: str
    probabilities: tuple[float, ...]

    @property
    def probability(self) -> float:
        """The mean over the characters; 1 for an empty text."""
        return sum(self.probabilities) / len(self.probabilities) if self.probabilities else 1.0


def greedy_transcript(logits_TK: Float[Tensor, "T K"], alphabet: Alphabet) -> Transcript:
    """Return the transcript of the best path."""
    surest, path = logits_TK.float().softmax(1).max(1)
    runs = groupby(zip(path.tolist(), surest.tolist(), strict=True), key=lambda frame: frame[0])
    read = [
        (label, max(frame_probability for _, frame_probability in frames)) for label, frames in runs if label != BLANK
    ]
    return Transcript(text=alphabet.decode(label for label, _ in read), probabilities=tuple(p for _, p in read))


@dataclass(frozen=True, kw_only=True, slots=True)
class CTCDecoder:
    """Decodes logits to a transcript.

    Attributes:
        alphabet: The alphabet.
        beam: Beam width of ``ctc.ctc_beam_search``; 0 for the best path.
        ngrams: Character language model; None for none.
        weight: Weight of the language model.
        bonus: Bonus per label, in nats.
    """

    alphabet: Alphabet
    beam: int = 0
    ngrams: CharacterNgrams | None = None
    weight: float = 0.0
    bonus: float = 0.0

    def decode(self, logits_TK: Float[Tensor, "T K"]) -> Transcript:
        """Return the transcript of a line from calibrated logits or log-probabilities in nats."""
        if not self.beam:
            return greedy_transcript(logits_TK, self.alphabet)
        log_probs = logits_TK.double().log_softmax(1)
        best = ctc_beam_search(
            log_probs, width=self.beam, language_model=self.ngrams, language_weight=self.weight, label_bonus=self.bonus
        )[0].labels
        return Transcript(text=self.alphabet.decode(best), probabilities=label_confidences(log_probs, best))

    @property
    def description(self) -> str:
        """A short description, for provenance.

        >>> CTCDecoder(alphabet=Alphabet(characters="ab"), beam=16).description
        'beam 16'
        """
        if not self.beam:
            return "best path"
        ngrams = f", {self.ngrams.order}-grams × {self.weight:g}, bonus {self.bonus:g}" if self.ngrams else ""
        return f"beam {self.beam}{ngrams}"


def label_confidences(log_probs_TK: Float[Tensor, "T K"], labels: Sequence[int]) -> tuple[float, ...]:
    """Return the probability of each label in its most probable frame, on the best path of ``labels``.

    Raises:
        ValueError: The frames are too few for them.
    """
    log_probs = log_probs_TK.numpy()
    spans = zip(labels, ctc_forced_alignment(log_probs, labels), strict=True)
    return tuple(math.exp(log_probs[start:end, label].max()) for label, (start, end) in spans)
