"""Layers that three or more networks use."""

import torch
from torch import Tensor, nn


class ConvBatchNorm(nn.Sequential):
    """Convolution without bias, batch normalisation and, as a rule, a ReLU: (B, C, H, W) → (B, C', H', W').

    The padding keeps the size at stride 1 (odd kernels). Parameters in order: convolution, scale, shift.
    Ioffe & Szegedy, "Batch Normalization", ICML 2015 (arXiv:1502.03167), Section 3.2.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        stride: int = 1,
        relu: bool = True,
        epsilon: float = 1e-5,
    ) -> None:
        convolution = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
        norm = nn.BatchNorm2d(out_channels, eps=epsilon)
        super().__init__(convolution, norm, *([nn.ReLU(inplace=True)] if relu else []))


class PackedLinear(nn.Module):
    """``members`` linear layers side by side, each with its own input: (B, K, I) → (B, K, O).

    Each begins as torch's own linear layer does: uniform in ±1/√I.
    """

    def __init__(self, members: int, in_features: int, out_features: int) -> None:
        super().__init__()
        bound = in_features**-0.5
        self.weight = nn.Parameter(torch.empty(members, in_features, out_features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, out_features).uniform_(-bound, bound))

    def forward(self, x_BKI: Tensor) -> Tensor:
        """Return the outputs (B, K, O)."""
        return torch.baddbmm(self.bias, x_BKI.transpose(0, 1), self.weight).transpose(0, 1)
