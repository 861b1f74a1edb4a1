"""The frames of long sounds: divided into pieces that can be learnt from, read in pieces that overlap, put together.

Frame t is centred on sample t · hop (``data/mel``), so that samples f · hop to (f + n - 1) · hop have just the frames f
to f + n - 1; those within half a window of a cut see silence beyond it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.engine.choose import Execution
from capas.engine.recipes.one_answer import outputs_of
from capas.engine.recipes.sounds import SoundPreparation, Spectrograms, spectrograms_of
from capas.networks.crnn import SoundReader

BATCH: Final = 16
# Of a sound that is answered in pieces: frames of each, and how many at either end only help to understand the others.
WINDOW, CONTEXT = 6000, 500
DECIBELS: Final = 4.342945  # 10 / ln 10


class EveryFrame(nn.Module):
    """Calls ``reader``, which answers every second frame, and gives every frame an answer: Spectrograms → B×T×K."""

    def __init__(self, reader: SoundReader) -> None:
        super().__init__()
        self.reader = reader

    def forward(self, sounds: Spectrograms) -> Tensor:
        logits, lengths = self.reader(sounds.values, sounds.lengths)
        return spread(logits, lengths, sounds.values.shape[2])


class SpreadOut(nn.Module):
    """The same for sounds without padding, called with spectrograms B×M×T and lengths that it has no need of."""

    def __init__(self, reader: SoundReader) -> None:
        super().__init__()
        self.reader = reader

    def forward(self, spectrograms_BMT: Tensor, lengths_B: Tensor) -> Tensor:
        """Logits B×T×K."""
        logits, lengths = self.reader(spectrograms_BMT, None)
        return spread(logits, lengths, spectrograms_BMT.shape[2])


def spread(logits: Float[Tensor, "B T2 K"], lengths: Int[Tensor, " B"], frames: int) -> Float[Tensor, "B T K"]:
    """Answers of frames 0, 2, 4 … as answers of all ``frames``; those between are the mean of their neighbours, the
    last one of a sound (``lengths`` answers) the same as the one before."""
    places = torch.arange(logits.shape[1], device=logits.device)
    following = torch.minimum(places + 1, (lengths - 1)[:, None])[:, :, None].expand(logits.shape)
    between = (logits + logits.gather(1, following)) / 2
    return torch.stack([logits, between], dim=2).flatten(1, 2)[:, :frames]


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Frames ``first`` to ``first`` + ``count`` - 1 of recording ``recording``."""

    recording: int
    first: int
    count: int


def pieces_of(frames: Sequence[int], most: int) -> list[Piece]:
    """Every recording divided into as few pieces of at most ``most`` frames as it takes, of like length.

    >>> [(piece.first, piece.count) for piece in pieces_of([250], 100)]
    [(0, 84), (84, 84), (168, 82)]
    """
    found = []
    for recording, total in enumerate(frames):
        count = -(-total // -(-total // most))
        found += [
            Piece(recording=recording, first=first, count=min(count, total - first))
            for first in range(0, total, count)
        ]  # fmt: skip
    return found


def cut_out(wave: Tensor, first: int, count: int, hop: int) -> Tensor:
    """The samples that have just the frames ``first`` to ``first`` + ``count`` - 1 of ``wave``, and no others."""
    return wave[first * hop : max((first + count - 1) * hop, first * hop + 1)]


@torch.no_grad()
def probabilities_of(
    network: nn.Module, waves: Sequence[Tensor], preparation: SoundPreparation, execution: Execution
) -> list[Tensor]:
    """Probabilities T×K of every frame of each wave, float32 on the CPU; a long wave is read in pieces that overlap."""
    hop = preparation.mel.hop
    frames = [frame_count(wave, preparation) for wave in waves]
    windows = [window for i, total in enumerate(frames) for window in _windows(i, total)]
    answers: dict[tuple[int, int], Tensor] = {}
    ordered = sorted(windows, key=lambda window: window[0].count)
    longest = max((window.count for window, _ in windows), default=1)
    size = max(1, min(BATCH, BATCH * 1000 // longest))
    for start in range(0, len(ordered), size):
        part = ordered[start : start + size]
        given = [cut_out(waves[w.recording], w.first, w.count, hop).numpy() for w, _ in part]
        outputs = outputs_of(network, spectrograms_of(given, preparation), execution).softmax(2)
        for (window, kept), own in zip(part, outputs, strict=True):
            answers[window.recording, kept.first] = own[kept.first - window.first :][: kept.count]
    return [
        torch.cat([answers[key] for key in sorted(key for key in answers if key[0] == i)]) for i in range(len(waves))
    ]  # fmt: skip


def _windows(recording: int, total: int) -> Iterator[tuple[Piece, Piece]]:
    """What is read, and what of it is kept."""
    core = WINDOW - 2 * CONTEXT
    for kept in [Piece(recording=recording, first=0, count=total)] if total <= WINDOW else pieces_of([total], core):
        first, end = max(0, kept.first - CONTEXT), min(total, kept.first + kept.count + CONTEXT)
        whole = total <= WINDOW
        read = kept if whole else Piece(recording=recording, first=first, count=end - first)
        yield read, replace(kept, recording=recording)


def frame_count(wave: Tensor, preparation: SoundPreparation) -> int:
    """1 + ⌊N / hop⌋."""
    return 1 + len(wave) // preparation.mel.hop


def hop_s(preparation: SoundPreparation) -> float:
    """Seconds between two frames: 0.01, or as near as the rate allows."""
    return preparation.mel.hop / preparation.rate


def levels_of(wave: Tensor, preparation: SoundPreparation) -> Tensor:
    """The energy of every frame in dB, T."""
    hop = preparation.mel.hop
    parts = [
        spectrograms_of([cut_out(wave, p.first, p.count, hop).numpy()], preparation).values[0]
        for p in pieces_of([frame_count(wave, preparation)], WINDOW)
    ]
    return DECIBELS * (torch.cat(parts, dim=1) * preparation.std + preparation.mean).logsumexp(0)
