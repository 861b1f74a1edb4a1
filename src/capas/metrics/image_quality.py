"""Image quality against a reference: PSNR and SSIM, per image.

SSIM: Wang, Bovik, Sheikh & Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE
TIP 2004, equation 13 with K₁ = 0.01, K₂ = 0.03 and an 11×11 Gaussian window of standard deviation 1.5: what
scikit-image calls ``structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)``. As there,
the mean leaves out the five pixels at each border, whose windows are not whole; channels are averaged.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5


def psnr(
    predictions: Float[Tensor, "B C H W"], targets: Float[Tensor, "B C H W"], *, peak: float = 1.0
) -> Float[Tensor, " B"]:
    """Return 10 · log₁₀(peak² / mean squared error) in dB, per image; ∞ where they are equal."""
    error = (predictions - targets).square().mean(dim=(1, 2, 3))
    return 10 * (peak**2 / error).log10()


def ssim(
    predictions: Float[Tensor, "B C H W"], targets: Float[Tensor, "B C H W"], *, peak: float = 1.0
) -> Float[Tensor, " B"]:
    """Return the structural similarity per image, −1..1, 1 where they are equal; sides of 11 pixels or more.

    ``peak``: the range of the values, 1 or 255.

    Raises:
        ValueError: The images are smaller.
    """
    if min(predictions.shape[2:]) < SSIM_WINDOW:
        raise ValueError(f"pictures are {tuple(predictions.shape[2:])}; expected {SSIM_WINDOW} pixels or more a side")
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    # Differences of squares: float32 loses in flat regions what SSIM divides by.
    x, y = predictions.double(), targets.double()
    mean_x, mean_y = _blurred(x), _blurred(y)
    variance_x, variance_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return (luminance * structure).mean(dim=(1, 2, 3)).to(predictions.dtype)


def _blurred(images: Tensor) -> Tensor:
    """Only where the window is whole: (B, C, H, W) → (B, C, H − 10, W − 10)."""
    places = torch.arange(SSIM_WINDOW, dtype=images.dtype, device=images.device) - SSIM_WINDOW // 2
    weights = (-0.5 * (places / SSIM_SIGMA).square()).exp()
    weights = (weights / weights.sum()).expand(images.shape[1], 1, 1, SSIM_WINDOW)
    across = functional.conv2d(images, weights, groups=images.shape[1])
    return functional.conv2d(across, weights.transpose(2, 3), groups=images.shape[1])
