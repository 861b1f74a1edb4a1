"""Transcription: the CTC loss per character, and the calibration temperature of its logits.

Shapes: B lines, T frames, K labels, of which 0 is the blank, L labels of a line.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from capas.decoding.ctc import BLANK, min_ctc_frames
from capas.objectives.base import Phase, StepContext
from capas.objectives.ctc_loss import ctc_loss


@runtime_checkable
class TranscriptBatch(Protocol):
    """What this objective needs of a batch."""

    @property
    def inputs(self) -> object:
        """The network's input."""

    @property
    def targets(self) -> Tensor:
        """Labels (B, L), each row padded with blanks (0)."""


class Transcription:
    """Objective of CTC: ``network`` maps inputs to logits (B, T, K) and the number of frames of each line.

    A line too short for its labels must not be in a batch: its loss is infinite.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"network": self.network}

    @property
    def phases(self) -> Sequence[Phase]:
        return (Phase(name="correct", loss="loss", networks=("network",)),)

    def losses(self, batch: TranscriptBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        logits, frames = self.network(batch.inputs)
        return {"loss": self.loss(logits, frames, batch.targets)}

    def loss(
        self, logits: Float[Tensor, "B T K"], frames: Int[Tensor, " B"], labels: Int[Tensor, "B L"]
    ) -> Float[Tensor, ""]:
        """Return the mean over lines of −log P(labels) per label, in nats."""
        lengths = (labels != BLANK).sum(1)
        losses = ctc_loss(logits.float().log_softmax(2), frames, labels, lengths)
        return (losses / lengths.clamp(min=1)).mean()


def ctc_temperature(logits: Sequence[Float[Tensor, "_ K"]], labels: Sequence[Sequence[int]]) -> float:
    """Return the temperature, 1/4..4 to about 1 %, that minimises the CTC loss of these lines; 1 where none can be
    aligned.

    Guo et al. 2017 (``capas.metrics.calibration``), for sequences.
    """
    pairs = [(line, one) for line, one in zip(logits, labels, strict=True) if 0 < min_ctc_frames(one) <= len(line)]
    if not pairs:
        return 1.0
    frames = torch.tensor([len(line) for line, _ in pairs])
    lines_BTK = nn.utils.rnn.pad_sequence([line.float() for line, _ in pairs], batch_first=True)
    targets = pad_labels([one for _, one in pairs])
    lengths = (targets != BLANK).sum(1)

    def loss(logarithm: float) -> float:
        log_probs_BTK = (lines_BTK / math.exp(logarithm)).log_softmax(2)
        return float(ctc_loss(log_probs_BTK, frames, targets, lengths).sum())

    low, high, golden = -math.log(4), math.log(4), (math.sqrt(5) - 1) / 2
    while high - low > 0.01:
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return math.exp((low + high) / 2)


def pad_labels(rows: Sequence[Sequence[int]]) -> Int[Tensor, "B L"]:
    """Pad rows of labels with blanks to a matrix."""
    padded = torch.zeros(len(rows), max(1, *map(len, rows)) if rows else 1, dtype=torch.long)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = torch.tensor(row, dtype=torch.long)
    return padded
