"""Beam search and greedy search of encoder-decoder networks.

Wu et al. 2016, "Google's Neural Machine Translation System" (arXiv:1609.08144), eq. 14, without coverage penalty:

    score(Y) = ln P(Y | X) / lp(Y),   lp(Y) = ((5 + |Y|) / 6)^α,   |Y| counting the end

Where we deviate: a sentence is done when as many hypotheses as the beam is wide have ended (each, at its end, among
that many best), and at the maximum length every hypothesis ends.
"""

from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

MemoryT = TypeVar("MemoryT", bound="DecoderState")


@runtime_checkable
class DecoderState(Protocol):
    """The state of a decoder, for each row of a batch."""

    def select(self: MemoryT, rows: Tensor) -> MemoryT:
        """Return the state of the rows ``rows``, repeats allowed."""


@runtime_checkable
class EncoderDecoder(Protocol[MemoryT]):
    """A network that encodes a source text and decodes the target token by token."""

    def encode(self, source: Tensor, lengths: Tensor) -> MemoryT:
        """Encode source tokens (N, S) with lengths (N); return the state before the first target token."""

    def decode(self, target: Tensor, memory: MemoryT) -> tuple[Tensor, MemoryT]:
        """Take further target tokens (N, T); return logits (N, T, V) of what follows each, and the state after them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslationHypothesis:
    """A translation: ``tokens`` without begin and end, log-probability in nats, and length-normalised score."""

    tokens: tuple[int, ...]
    log_probability: float
    score: float


def length_penalty(length: int, alpha: float) -> float:
    """Return lp(Y) for ``length`` tokens, the end included.

    >>> length_penalty(1, 0.6)
    1.0
    """
    return float(((5 + length) / 6) ** alpha)


@torch.no_grad()
def seq2seq_beam_search(
    network: EncoderDecoder[MemoryT],
    source: Int[Tensor, "N S"],
    lengths: Int[Tensor, " N"],
    *,
    bos: int,
    eos: int,
    width: int = 4,
    alpha: float = 0.6,
    max_extra_tokens: int = 50,
) -> list[TranslationHypothesis]:
    """Return the best translation of each of the N texts; the result does not depend on the batch.

    Args:
        network: The network, in evaluation mode.
        source: Source tokens.
        lengths: Source lengths.
        bos: Begin token.
        eos: End token.
        width: Beam width; 1 is greedy search.
        alpha: Exponent of the length penalty.
        max_extra_tokens: Largest number of tokens beyond the source length (as Vaswani et al.).
    """
    if width < 1:
        raise ValueError(f"width is {width}; expected 1 or more")
    beams = [_Beam(width=width, alpha=alpha, eos=eos, limit=length + max_extra_tokens) for length in lengths.tolist()]
    rows = torch.arange(len(beams), device=source.device).repeat_interleave(width)
    memory = network.encode(source, lengths).select(rows)
    tokens = torch.full((len(rows), 1), bos, dtype=torch.int64, device=source.device)
    alive = list(beams)
    while alive:
        logits, memory = network.decode(tokens, memory)
        steps = logits[:, -1].float().log_softmax(dim=-1).reshape(len(alive), width, -1)
        kept = [beam.extend(step) for beam, step in zip(alive, steps.cpu(), strict=True)]
        going = [number for number, beam in enumerate(alive) if not beam.done]
        rows = torch.tensor([number * width + row for number in going for row in kept[number]], device=source.device)
        alive = [alive[number] for number in going]
        if alive:
            memory = memory.select(rows)
            tokens = torch.tensor([[text[-1]] for beam in alive for text in beam.texts], device=source.device)
    return [beam.best() for beam in beams]


def seq2seq_greedy_search(
    network: EncoderDecoder[MemoryT], source: Int[Tensor, "N S"], lengths: Int[Tensor, " N"], *, bos: int, eos: int,
    max_extra_tokens: int = 50,
) -> list[TranslationHypothesis]:  # fmt: skip
    """Return the translation that takes the most probable token at each step."""
    return seq2seq_beam_search(network, source, lengths, bos=bos, eos=eos, width=1, max_extra_tokens=max_extra_tokens)


class _Beam:
    """The translations of one text that are still followed, and those that have ended."""

    def __init__(self, *, width: int, alpha: float, eos: int, limit: int) -> None:
        self.width, self.alpha, self.eos, self.limit = width, alpha, eos, limit
        # All start alike, so all but one are out of the race; they keep the batch in shape.
        self.texts: list[tuple[int, ...]] = [()] * width
        self.sums = torch.tensor([0.0] + [-torch.inf] * (width - 1))
        self.ended: list[TranslationHypothesis] = []
        self.done = False

    def extend(self, steps: Float[Tensor, "W V"]) -> list[int]:
        """Take in the log-probabilities of each text's next token; which row each of the texts now comes from."""
        length = len(self.texts[0]) + 1
        if length > self.limit:
            ends = torch.arange(steps.shape[1]) == self.eos
            steps = steps.masked_fill(~ends, -torch.inf)
        sums, places = (self.sums[:, None] + steps).flatten().topk(min(2 * self.width, steps.numel()))
        texts: list[tuple[int, ...]] = []
        rows: list[int] = []
        kept: list[float] = []
        for rank, (total, place) in enumerate(zip(sums.tolist(), places.tolist(), strict=True)):
            row, token = divmod(place, steps.shape[1])
            if token == self.eos:
                if rank < self.width and total > -torch.inf:
                    self._end(self.texts[row], total, length)
            elif len(texts) < self.width:
                texts.append((*self.texts[row], token))
                rows.append(row)
                kept.append(total)
        self.done = len(self.ended) >= self.width or length > self.limit
        # A vocabulary smaller than the beam leaves places empty.
        empty = self.width - len(texts)
        self.texts = texts + [(*self.texts[0], self.eos)] * empty
        self.sums = torch.tensor(kept + [-torch.inf] * empty)
        return rows + [0] * empty

    def _end(self, text: tuple[int, ...], total: float, length: int) -> None:
        score = total / length_penalty(length, self.alpha)
        self.ended.append(TranslationHypothesis(tokens=text, log_probability=total, score=score))

    def best(self) -> TranslationHypothesis:
        """The translation with the highest score."""
        return max(self.ended, key=lambda one: one.score)
