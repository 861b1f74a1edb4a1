"""CRNN for lines of writing and for speech: Shi, Bai & Yao, "An End-to-End Trainable Neural Network for Image-based
Sequence Recognition" (CRNN), IEEE TPAMI 2017 (arXiv:1507.05717): convolutions whose pooling removes the height, then
bidirectional LSTMs over the columns, then one linear layer to the labels of every frame, for CTC
(``capas.decoding.ctc``).

``LineCRNN``: four convolutions with normalisation and ReLU; the first, 5×5, has stride 2, the second is followed by
pooling of both sides, the other two by pooling of the height alone, so that a frame stands for four columns of pixels.
Where we deviate: narrower (the paper's has 512 maps, 8.3 million parameters), the first pooling is a stride (which
takes less time), lines of any width, all heights of the last maps concatenated.
``AudioCRNN``: the same over log-mel frames, with 1-D residual blocks (``spectrogram_cnn.py``) that halve them.

What lies behind the end of a shorter line is set to zero before every convolution, so that, in evaluation, a line's
logits do not depend on what it is padded with. The LSTM computes in float32 whatever is around it.

Legend: B batch, H height, W width, M mel bands, T frames, K labels.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from capas.networks.layers import ConvBatchNorm
from capas.networks.sequence.lstm import LSTM, LSTMConfig
from capas.networks.sequence.spectrogram_cnn import ResidualBlock1d, frame_mask

COLUMNS_PER_FRAME = 4
STRIDES = (2, 1, 1, 1)
POOLINGS = ((1, 1), (2, 2), (2, 1), (2, 1))
STEPS_PER_FRAME = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class CRNNConfig:
    """Configuration of ``LineCRNN`` and ``AudioCRNN``.

    Attributes:
        size: Height of the lines in pixels (a multiple of 16), or number of mel bands.
        num_labels: Number of labels, the blank included.
        width: Maps of the first convolution.
        hidden: LSTM units per direction.
        dropout: Share of units dropped, in [0, 1).
    """

    size: int
    num_labels: int
    width: int = 24
    hidden: int = 96
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if min(self.size, self.width, self.hidden) < 1 or self.num_labels < 2:
            raise ValueError(f"{self}; expected size, width and hidden ≥ 1, num_labels ≥ 2")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; expected a share in [0, 1)")


class RecurrentHead(nn.Module):
    """Frames (B, T, D) → logits (B, T, K): a bidirectional LSTM and a linear layer."""

    def __init__(self, in_features: int, config: CRNNConfig) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.lstm = LSTM(LSTMConfig(in_features=in_features, hidden=config.hidden, bidirectional=True))
        self.classifier = nn.Linear(2 * config.hidden, config.num_labels)

    def forward(self, x_BTD: Tensor, frames_B: Tensor | None) -> Tensor:
        """Return logits (B, T, K); without ``frames_B`` all frames are read."""
        with torch.autocast(x_BTD.device.type, enabled=False):
            x_BTD = self.dropout(x_BTD.float())
            states = self.lstm(x_BTD)[0] if frames_B is None else self.lstm.outputs(x_BTD, frames_B)
            logits: Tensor = self.classifier(self.dropout(states))
        return logits


class LineCRNN(nn.Module):
    """Lines (B, 1, H, W), ink high and ground zero, and their widths in pixels → logits (B, T, K) and frames (B,)."""

    def __init__(self, config: CRNNConfig) -> None:
        super().__init__()
        if config.size % 16:
            raise ValueError(f"size is {config.size}; expected a multiple of 16")
        maps = [1, *(config.width * factor for factor in (1, 2, 3, 4))]
        self.blocks = nn.ModuleList(
            ConvBatchNorm(a, b, kernel=5 if stride > 1 else 3, stride=stride)
            for (a, b), stride in zip(pairwise(maps), STRIDES, strict=True)
        )
        self.tail = RecurrentHead(maps[-1] * config.size // 16, config)

    def forward(
        self, lines_B1HW: Float[Tensor, "B 1 H W"], widths_B: Int[Tensor, " B"] | None
    ) -> tuple[Float[Tensor, "B T K"], Int[Tensor, " B"]]:
        """Return logits and number of frames, one per four columns, rounded up.

        Without ``widths_B`` nothing is padding and the computation does not depend on the values of tensors, as export
        needs.
        """
        x, lengths = lines_B1HW, full_lengths(lines_B1HW) if widths_B is None else widths_B
        for block, stride, (down, across) in zip(self.blocks, STRIDES, POOLINGS, strict=True):
            x = block(x * frame_mask(lengths, x.shape[3])[:, None, None].to(x.dtype))
            lengths = -(-lengths // stride)
            x = x * frame_mask(lengths, x.shape[3])[:, None, None].to(x.dtype)
            x = functional.max_pool2d(x, (down, across), ceil_mode=True)
            lengths = -(-lengths // across)
        logits: Tensor = self.tail(x.flatten(1, 2).transpose(1, 2), None if widths_B is None else lengths)
        return logits, lengths


class AudioCRNN(nn.Module):
    """Log-mel spectrograms (B, M, T) and their lengths in frames → logits (B, ⌈T / 2⌉, K) and frames (B,)."""

    def __init__(self, config: CRNNConfig) -> None:
        super().__init__()
        maps = 2 * config.width
        self.stem = nn.Conv1d(config.size, maps, 5, padding=2, bias=False)
        self.stem_norm = nn.BatchNorm1d(maps)
        self.blocks = nn.ModuleList(
            [ResidualBlock1d(maps, maps, stride=STEPS_PER_FRAME), ResidualBlock1d(maps, 2 * maps, stride=1),
             ResidualBlock1d(2 * maps, 2 * maps, stride=1)]
        )  # fmt: skip
        self.tail = RecurrentHead(2 * maps, config)

    def forward(
        self, spectrograms_BMT: Float[Tensor, "B M T"], lengths_B: Int[Tensor, " B"] | None
    ) -> tuple[Float[Tensor, "B T2 K"], Int[Tensor, " B"]]:
        """Return logits and number of frames, one per two input frames. Without ``lengths_B`` nothing is padding, as in
        ``LineCRNN``.
        """
        lengths = full_lengths(spectrograms_BMT) if lengths_B is None else lengths_B
        mask = frame_mask(lengths, spectrograms_BMT.shape[2])[:, None].to(spectrograms_BMT.dtype)
        x = spectrograms_BMT.masked_fill(mask == 0, 0)
        x = functional.relu(self.stem_norm(self.stem(x))) * mask
        for block in self.blocks:
            x, mask = block(x, mask)
        frames = -(-lengths // STEPS_PER_FRAME)
        logits: Tensor = self.tail(x.transpose(1, 2), None if lengths_B is None else frames)
        return logits, frames


def full_lengths(x: Float[Tensor, "B ... T"]) -> Int[Tensor, " B"]:
    """Return the full length of each example, shape (B,)."""
    return torch.full((x.shape[0],), x.shape[-1], dtype=torch.long, device=x.device)
