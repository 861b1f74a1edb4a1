"""Baseline of two-class frame classification: a threshold on the energy.

A frame's level is its energy in dB, absolute or relative to the tenth percentile of its recording, whichever is better
on the recordings that the threshold is tuned on; then short runs are removed, as for a network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from capas.decoding.label_runs import remove_short_runs

NOISE_FLOOR_QUANTILE: Final = 0.1
THRESHOLD_STEPS: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyThreshold:
    """Predicts class 1 where the level is above ``threshold`` dB (relative to the quiet level if ``relative``)."""

    threshold: float
    relative: bool
    min_frames: int = 1

    @classmethod
    def fit(
        cls, levels: Sequence[Float[Tensor, " T"]], labels: Sequence[Int[Tensor, " T"]], lengths: Sequence[int] = (1,)
    ) -> "EnergyThreshold":
        """Choose the threshold with the fewest wrong frames, then the minimum run length with the fewest.

        Args:
            levels: Level of every frame in dB, one tensor for each recording.
            labels: Target classes, 0 or 1.
            lengths: Minimum run lengths to try, in frames.

        Raises:
            ValueError: There is no recording.
        """
        if not levels or len(levels) != len(labels):
            raise ValueError(f"levels of {len(levels)} recordings, labels of {len(labels)}; expected as many, not none")
        wanted = torch.cat(list(labels)) == 1
        fits = []
        for relative in (False, True):
            joined = torch.cat([_level(own, relative) for own in levels])
            # Not quantile(): it refuses what has more than 16 million values.
            candidates = joined.sort().values[torch.linspace(0, len(joined) - 1, THRESHOLD_STEPS).long()]
            wrong = torch.stack([_wrong(joined > edge, wanted) for edge in candidates])
            best = int(wrong.argmin())
            fits.append((int(wrong[best]), cls(threshold=float(candidates[best]), relative=relative)))
        chosen = min(fits, key=lambda fit: fit[0])[1]
        tried = [cls(threshold=chosen.threshold, relative=chosen.relative, min_frames=length) for length in lengths]
        return min(tried, key=lambda one: one.count_errors(levels, labels))

    def predict(self, levels: Float[Tensor, " T"]) -> list[int]:
        """Return 0 or 1 for every frame."""
        return remove_short_runs((_level(levels, self.relative) > self.threshold).long().tolist(), self.min_frames)

    def count_errors(self, levels: Sequence[Tensor], labels: Sequence[Tensor]) -> int:
        """Return the number of wrong frames."""
        return sum(
            int((torch.tensor(self.predict(own)) != targets).sum()) for own, targets in zip(levels, labels, strict=True)
        )


def _level(levels: Float[Tensor, " T"], relative: bool) -> Float[Tensor, " T"]:
    quiet = levels.sort().values[int(NOISE_FLOOR_QUANTILE * (len(levels) - 1))] if relative else 0.0
    return levels - quiet


def _wrong(predicted: Bool[Tensor, " T"], targets: Bool[Tensor, " T"]) -> Int[Tensor, ""]:
    return (predicted != targets).sum()
