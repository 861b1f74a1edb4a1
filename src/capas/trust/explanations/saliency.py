"""Saliency maps of one class's logit with respect to the input, and the controls that they must beat.

- gradient: Simonyan, Vedaldi & Zisserman, "Deep Inside Convolutional Networks", ICLR workshop 2014: |∂z_c/∂x|;
- gradient × input: Shrikumar et al., "Not Just a Black Box", arXiv 1605.01713: x ⊙ ∂z_c/∂x;
- integrated gradients: Sundararajan, Taly & Yan, "Axiomatic Attribution for Deep Networks", ICML 2017:
  (x − x₀) ⊙ ∫₀¹ ∂z_c/∂x (x₀ + α(x − x₀)) dα, by Gauss–Legendre quadrature as in captum; it sums to z_c(x) − z_c(x₀);
- occlusion: Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014: the fall of z_c when a
  window is covered, averaged over the windows that cover a pixel;
- Grad-CAM: Selvaraju et al., ICCV 2017: ReLU(Σ_k A_k · mean ∂z_c/∂A_k), upsampled.

Images (B, C, H, W) give maps (B, H, W): the largest over the channels of |gradient|, as in Simonyan, and the sum of
what is signed, which keeps completeness. Other inputs give maps of their own shape. Larger is more important; signed
maps are below zero where a value is evidence against the class.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from capas.trust.subjects.model_functions import ForwardFunction

Features = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Pictures (B, C, H, W) → the features of a layer (B, D, h, w), from which the logits (B, K) were computed."""


def gradient(
    forward: ForwardFunction, x: Float[Tensor, " B *shape"], target: Int[Tensor, " B"]
) -> Float[Tensor, " B *places"]:
    """Return |∂z_c/∂x|, the largest over the channels, ≥ 0; ``target`` holds the classes c."""
    slope = class_gradient(forward, x, target).abs()
    return slope.amax(1) if x.ndim == 4 else slope


def gradient_times_input(
    forward: ForwardFunction, x: Float[Tensor, " B *shape"], target: Int[Tensor, " B"]
) -> Float[Tensor, " B *places"]:
    """Return x ⊙ ∂z_c/∂x, signed, summed over the channels."""
    return over_channels(x * class_gradient(forward, x, target))


def integrated_gradients(
    forward: ForwardFunction,
    x: Float[Tensor, " B *shape"],
    target: Int[Tensor, " B"],
    *,
    baseline: float | Tensor = 0.0,
    steps: int = 32,
) -> Float[Tensor, " B *places"]:
    """Return the integrated gradients of z_c from ``baseline`` to ``x``, signed, summed over the channels.

    The maps sum to z_c(x) − z_c(baseline), up to the quadrature error. Memory is that of one quadrature point.

    Args:
        forward: Maps inputs to logits (B, K).
        x: Inputs.
        target: The classes c.
        baseline: One value, or a tensor that broadcasts over ``x``.
        steps: Quadrature points.

    Raises:
        ValueError: ``steps`` below 1.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; expected 1 or more")
    way = x - baseline
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    total = torch.zeros_like(x)
    for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
        # The nodes lie in −1..1.
        total += weight / 2 * class_gradient(forward, x - (1 - node) / 2 * way, target)
    return over_channels(way * total)


def occlusion(
    forward: ForwardFunction,
    x: Float[Tensor, "B C H W"],
    target: Int[Tensor, " B"],
    *,
    fill: float | Tensor = 0.0,
    window: int | None = None,
    stride: int | None = None,
    batch: int = 1024,
) -> Float[Tensor, "B H W"]:
    """Return how much z_c falls when a window is covered with ``fill``, signed.

    Args:
        forward: Maps images to logits (B, K).
        x: Images.
        target: The classes c.
        fill: One value, or a tensor that broadcasts over ``x``.
        window: Side in pixels; a seventh of the shorter side if None (about 170 forward passes per square image).
        stride: Stride in pixels; half of the window if None.
        batch: Occluded images per forward pass.

    Raises:
        ValueError: The window does not fit.
    """
    height, width = x.shape[2:]
    side = max(1, round(min(height, width) / 7)) if window is None else window
    pace = max(1, side // 2) if stride is None else stride
    if not 1 <= side <= min(height, width) or pace < 1:
        raise ValueError(f"window {side} and stride {pace} on pictures of {height}×{width}")
    masks = _windows(height, width, side, pace).to(x)
    covered_with = torch.as_tensor(fill).to(x).expand_as(x)
    maps = []
    with torch.no_grad():
        for picture, filling, target_class in zip(x, covered_with, target, strict=True):
            # (M, 1, H, W): one window each.
            parts = [
                forward(picture + part * (filling - picture))[:, target_class]
                for part in torch.split(masks[:, None], batch)
            ]
            fall = forward(picture[None])[:, target_class] - torch.cat(parts)
            maps.append((fall[:, None, None] * masks).sum(0) / masks.sum(0))
    return torch.stack(maps)


def grad_cam(
    features_and_logits: Features, x: Float[Tensor, "B C H W"], target: Int[Tensor, " B"]
) -> Float[Tensor, "B H W"]:
    """Return the Grad-CAM map of a layer, ≥ 0, upsampled bilinearly to the image."""
    with torch.enable_grad():
        # The parameters are frozen: without this the features would belong to no graph.
        features, logits = features_and_logits(x.detach().clone().requires_grad_())
        (slope,) = torch.autograd.grad(_chosen(logits, target).sum(), features)
    weights = slope.mean(dim=(2, 3), keepdim=True)
    coarse = (weights * features.detach()).sum(1, keepdim=True).relu()
    return functional.interpolate(coarse, size=x.shape[2:], mode="bilinear", align_corners=False)[:, 0]


def brightness(x: Float[Tensor, " B *shape"]) -> Float[Tensor, " B *places"]:
    """Return the distance of each value from the median of its example (and channel), ≥ 0: a control without a network.

    The median stands for the background: black for white digits on black, white for ink on paper.
    """
    if x.ndim == 4:
        return (x - x.flatten(2).median(2).values[:, :, None, None]).abs().mean(1)
    return (x - x.flatten(1).median(1).values.reshape(-1, *[1] * (x.ndim - 1))).abs()


def random_map(x: Float[Tensor, " B *shape"], generator: torch.Generator) -> Float[Tensor, " B *places"]:
    """Return uniform random values in 0..1: a control without information."""
    shape = (len(x), *x.shape[2:]) if x.ndim == 4 else x.shape
    return torch.rand(shape, generator=generator, device=generator.device).to(x)


def class_gradient(forward: ForwardFunction, x: Tensor, target: Tensor) -> Tensor:
    """Return ∂z_c/∂x of each example, shaped like ``x``."""
    with torch.enable_grad():
        inputs = x.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(_chosen(forward(inputs), target).sum(), inputs)
    return slope


def over_channels(values: Tensor) -> Tensor:
    """Sum images (B, C, H, W) over the channels; other shapes are returned unchanged."""
    return values.sum(1) if values.ndim == 4 else values


def _chosen(logits: Tensor, target: Tensor) -> Tensor:
    return logits.gather(1, target[:, None])[:, 0]


def _windows(height: int, width: int, side: int, stride: int) -> Tensor:
    """(M, H, W): ones within each window; the last of each row and column ends at the border."""
    masks = []
    for top in window_starts(height, side, stride):
        for left in window_starts(width, side, stride):
            mask = torch.zeros(height, width)
            mask[top : top + side, left : left + side] = 1
            masks.append(mask)
    return torch.stack(masks)


def window_starts(length: int, side: int, stride: int) -> list[int]:
    """Return where windows of ``side`` begin along a ``length``, ``stride`` apart, the last at the end."""
    last = length - side
    return sorted({*range(0, last + 1, stride), last})
