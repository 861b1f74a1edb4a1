"""Layers that the generators and discriminators of StyleGAN share.

Equalised learning rate (Karras et al., "Progressive Growing of GANs", ICLR 2018, Section 4.1): weights begin standard
normal and are divided by √fan-in whenever they are used, so that Adam moves all layers alike.

Modulated convolution (Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020, eqs. 1 and 3):
the weights w_oik of an example are scaled by its style, s_i w_oik, and each output channel is divided by the norm of
what results, so that inputs of unit variance give outputs of unit variance. Written with the weights of each example
this is a convolution in groups. Here the same numbers come from one convolution with shared weights, of which the
inputs are scaled by s_i and the outputs by the demodulation; that is faster on a CPU.

Shapes: B batch, C×H×W an image, W numbers of a latent.
"""

import math
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

SLOPE: Final = 0.2
EPSILON: Final = 1e-8


def leaky_relu(inputs: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2, times √2: what was of unit variance stays about so."""
    return F.leaky_relu(inputs, SLOPE) * math.sqrt(2)


class EqualizedLinear(nn.Module):
    """Vectors (B, in) → (B, out), with weights divided by √in.

    Args:
        inputs: Numbers in.
        outputs: Numbers out.
        bias: What the bias begins with.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.full((outputs,), bias))

    def forward(self, vectors: Float[Tensor, "B N"]) -> Float[Tensor, "B M"]:
        return F.linear(vectors, self.weight / math.sqrt(self.weight.shape[1]), self.bias)


class EqualizedConv2d(nn.Module):
    """Images (B, in, H, W) → (B, out, H', W'), with weights divided by √fan-in.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        kernel: Pixels a side of the kernel.
        stride: Of the convolution.
        padding: Zeros around the image, pixels.
        bias: Whether there is one, beginning with 0.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0, bias: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.stride, self.padding = stride, padding

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D X Y"]:
        weight = self.weight / math.sqrt(self.weight[0].numel())
        return F.conv2d(images, weight, self.bias, self.stride, self.padding)


class ModulatedConv2d(nn.Module):
    """Convolution of which each example has weights of its own, by its latent; without bias.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        latent: Numbers of the latent W.
        kernel: Pixels a side of the kernel, odd; the image keeps its size.
        demodulate: Whether output channels are brought to unit variance.
        up: Whether the image grows to 2 H + 1 pixels, still without the filter against imaging.
    """

    def __init__(
        self, inputs: int, outputs: int, latent: int, kernel: int, *, demodulate: bool = True, up: bool = False
    ) -> None:
        super().__init__()
        self.affine = EqualizedLinear(latent, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.demodulate = demodulate
        self.up = up

    def forward(self, images: Float[Tensor, "B C H W"], latents: Float[Tensor, "B N"]) -> Float[Tensor, "B D X Y"]:
        styles = self.affine(latents)
        weight = self.weight / math.sqrt(self.weight[0].numel())
        scaled = images * styles[:, :, None, None].to(images.dtype)
        if self.up:
            made = F.conv_transpose2d(scaled, weight.transpose(0, 1), stride=2)
        else:
            made = F.conv2d(scaled, weight, padding=weight.shape[-1] // 2)
        return made * demodulation(weight, styles)[:, :, None, None].to(made.dtype) if self.demodulate else made


def demodulation(weight: Float[Tensor, "D C K K"], styles: Float[Tensor, "B C"]) -> Float[Tensor, "B D"]:
    """Return 1 / √(Σ_ik (s_i w_oik)² + ε) of every example and output channel (eq. 3)."""
    # In bfloat16 the sum of many squares loses what it is for.
    with torch.autocast(styles.device.type, enabled=False):
        energy = weight.float().square().sum((2, 3))
        return (styles.float().square() @ energy.T + EPSILON).rsqrt()
