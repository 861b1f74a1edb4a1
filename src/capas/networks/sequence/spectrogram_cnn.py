"""A residual CNN over time for log-mel spectrograms (B, M mel bands, T frames), bands as channels: residual blocks of
1-D convolutions (He et al. 2016, eq. 1 and 2, with kernels over time; cf. Choi et al., "Temporal Convolution for
Real-time Keyword Spotting on Mobile Devices", Interspeech 2019, arXiv:1904.03814), then the mean and the maximum over
time side by side.

Recordings differ in length: frames behind a recording's end are set to zero before every convolution, so that, in
evaluation, its logits do not depend on what it is padded with. While training, batch normalisation still counts the
padding.

Legend: B batch, C channels, M mel bands, T time, K classes.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from capas.networks.checks import check_at_least_one


@dataclass(frozen=True, kw_only=True, slots=True)
class SpectrogramCNNConfig:
    """Configuration of ``SpectrogramCNN``.

    Attributes:
        num_mels: Number of mel bands.
        num_classes: Number of outputs.
        width: Maps of the first stage; each further one has half of ``width`` more.
        stages: Number of stages; all but the first halve the frames.
        dropout: Share of units dropped, in [0, 1).
    """

    num_mels: int
    num_classes: int
    width: int = 64
    stages: int = 3
    dropout: float = 0.2

    def __post_init__(self) -> None:
        check_at_least_one(num_mels=self.num_mels, num_classes=self.num_classes, width=self.width, stages=self.stages)
        _share(self.dropout)


class ResidualBlock1d(nn.Module):
    """ReLU(F(x) + shortcut(x)) over time: (B, C, T) → (B, C', ⌈T / stride⌉); frames outside the mask stay zero."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.first = nn.Conv1d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm1d(out_channels)
        self.second = nn.Conv1d(out_channels, out_channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm1d(out_channels)
        changes = stride != 1 or in_channels != out_channels
        self.shortcut = nn.Conv1d(in_channels, out_channels, 1, stride, bias=False) if changes else nn.Identity()

    def forward(self, x_BCT: Tensor, mask_B1T: Tensor) -> tuple[Tensor, Tensor]:
        """Return the block's output, and the mask (1 inside, 0 outside) at its frame rate."""
        mask_B1T = mask_B1T[:, :, :: self.stride]
        branch = functional.relu(self.first_norm(self.first(x_BCT))) * mask_B1T
        branch = self.second_norm(self.second(branch))
        return functional.relu(branch + self.shortcut(x_BCT)) * mask_B1T, mask_B1T


class SpectrogramCNN(nn.Module):
    """Log-mel spectrograms (B, M, T) and their lengths in frames → logits (B, K)."""

    def __init__(self, config: SpectrogramCNNConfig) -> None:
        super().__init__()
        widths = [config.width * (2 + number) // 2 for number in range(config.stages)]
        self.stem = nn.Conv1d(config.num_mels, config.width, 5, padding=2, bias=False)
        self.stem_norm = nn.BatchNorm1d(config.width)
        blocks, arriving = [], config.width
        for number, maps in enumerate(widths):
            blocks.append(ResidualBlock1d(arriving, maps, stride=1 if number == 0 else 2))
            blocks.append(ResidualBlock1d(maps, maps, stride=1))
            arriving = maps
        self.blocks = nn.ModuleList(blocks)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(2 * arriving, config.num_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv1d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(
        self, spectrograms_BMT: Float[Tensor, "B M T"], lengths_B: Int[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B K"]:
        """Return logits (B, K); without ``lengths_B`` (frames, 1..T) all frames count."""
        if lengths_B is None:
            lengths_B = torch.full((len(spectrograms_BMT),), spectrograms_BMT.shape[2], device=spectrograms_BMT.device)
        mask = frame_mask(lengths_B, spectrograms_BMT.shape[2])[:, None].to(spectrograms_BMT.dtype)
        # What is beyond the mask may be log(0) = -∞, and -∞ × 0 is no number.
        x = spectrograms_BMT.masked_fill(mask == 0, 0)
        x = functional.relu(self.stem_norm(self.stem(x))) * mask
        for block in self.blocks:
            x, mask = block(x, mask)
        logits: Tensor = self.classifier(self.dropout(masked_mean_max(x, mask)))
        return logits


def frame_mask(lengths_B: Int[Tensor, " B"], frames: int) -> Bool[Tensor, "B T"]:
    """Return a mask (B, frames), True inside each recording."""
    return torch.arange(frames, device=lengths_B.device) < lengths_B[:, None]


def masked_mean_max(x_BCT: Float[Tensor, "B C T"], mask_B1T: Float[Tensor, "B 1 T"]) -> Float[Tensor, "B D"]:
    """Return mean and maximum over the frames inside the mask, concatenated: (B, 2·C)."""
    mean = (x_BCT * mask_B1T).sum(2) / mask_B1T.sum(2).clamp(min=1)
    highest = x_BCT.masked_fill(mask_B1T == 0, torch.finfo(x_BCT.dtype).min).amax(2)
    return torch.cat([mean, highest], dim=1)


def _share(dropout: float) -> None:
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}; expected a share in [0, 1)")
