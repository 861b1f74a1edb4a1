"""Windows of long recordings: divided for training, overlapping for inference, with predictions put together again.

Frame t is centred on sample t · hop (``data/audio/mel.py``), so that samples f · hop to (f + n - 1) · hop have just the
frames f to f + n - 1; those within half an analysis window of a cut see silence beyond it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor, nn

from capas.engine.execution import Execution
from capas.engine.recipes.shared.forward import forward_batch
from capas.engine.recipes.shared.spectrograms import AudioPreparation, spectrograms_of

BATCH: Final = 16
# Of a sound that is answered in pieces: frames of each, and how many at either end only help to understand the others.
WINDOW, CONTEXT = 6000, 500
DECIBELS: Final = 4.342945  # 10 / ln 10


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameWindow:
    """Frames ``first`` to ``first`` + ``count`` - 1 of recording ``recording``."""

    recording: int
    first: int
    count: int


def split_into_windows(frames: Sequence[int], max_frames: int) -> list[FrameWindow]:
    """Divide every recording into the fewest windows of at most ``max_frames`` frames, of similar length.

    >>> [(window.first, window.count) for window in split_into_windows([250], 100)]
    [(0, 84), (84, 84), (168, 82)]
    """
    found = []
    for recording, total in enumerate(frames):
        count = -(-total // -(-total // max_frames))
        found += [
            FrameWindow(recording=recording, first=first, count=min(count, total - first))
            for first in range(0, total, count)
        ]  # fmt: skip
    return found


def window_samples(wave: Tensor, first: int, count: int, hop: int) -> Tensor:
    """Return the samples that have just the frames ``first`` to ``first`` + ``count`` - 1 of ``wave``, and no
    others.
    """
    return wave[first * hop : max((first + count - 1) * hop, first * hop + 1)]


@torch.no_grad()
def frame_probabilities(
    network: nn.Module, waves: Sequence[Tensor], preparation: AudioPreparation, execution: Execution
) -> list[Tensor]:
    """Return class probabilities (T, K) of every frame of each waveform, float32 on the CPU; long ones in overlapping
    windows.
    """
    hop = preparation.mel.hop
    frames = [frame_count(wave, preparation) for wave in waves]
    windows = [window for i, total in enumerate(frames) for window in _windows(i, total)]
    by_window: dict[tuple[int, int], Tensor] = {}
    ordered = sorted(windows, key=lambda window: window[0].count)
    longest = max((window.count for window, _ in windows), default=1)
    size = max(1, min(BATCH, BATCH * 1000 // longest))
    for start in range(0, len(ordered), size):
        part = ordered[start : start + size]
        samples = [window_samples(waves[w.recording], w.first, w.count, hop).numpy() for w, _ in part]
        outputs = forward_batch(network, spectrograms_of(samples, preparation), execution).softmax(2)
        for (window, kept), own in zip(part, outputs, strict=True):
            by_window[window.recording, kept.first] = own[kept.first - window.first :][: kept.count]
    return [
        torch.cat([by_window[key] for key in sorted(key for key in by_window if key[0] == i)])
        for i in range(len(waves))
    ]


def _windows(recording: int, total: int) -> Iterator[tuple[FrameWindow, FrameWindow]]:
    """Pairs of a window that is computed, with context, and the part of it that is kept."""
    core = WINDOW - 2 * CONTEXT
    for kept in (
        [FrameWindow(recording=recording, first=0, count=total)]
        if total <= WINDOW
        else split_into_windows([total], core)
    ):
        first, end = max(0, kept.first - CONTEXT), min(total, kept.first + kept.count + CONTEXT)
        whole = total <= WINDOW
        read = kept if whole else FrameWindow(recording=recording, first=first, count=end - first)
        yield read, replace(kept, recording=recording)


def frame_count(wave: Tensor, preparation: AudioPreparation) -> int:
    """Return the number of frames, 1 + ⌊N / hop⌋."""
    return 1 + len(wave) // preparation.mel.hop


def hop_seconds(preparation: AudioPreparation) -> float:
    """Return the seconds between frames: 0.01, or as near as the sample rate allows."""
    return preparation.mel.hop / preparation.rate


def frame_levels_db(wave: Tensor, preparation: AudioPreparation) -> Tensor:
    """Return the energy of every frame in dB, shape (T,)."""
    hop = preparation.mel.hop
    parts = [
        spectrograms_of([window_samples(wave, p.first, p.count, hop).numpy()], preparation).values[0]
        for p in split_into_windows([frame_count(wave, preparation)], WINDOW)
    ]
    return DECIBELS * (torch.cat(parts, dim=1) * preparation.std + preparation.mean).logsumexp(0)
