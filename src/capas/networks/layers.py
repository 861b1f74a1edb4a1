"""Layers that three or more networks use."""

from torch import nn


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
