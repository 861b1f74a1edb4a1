"""Test metrics of image-to-image models: PSNR, SSIM and ΔE2000, and the gain over the untrained baseline."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from capas.data.image.color import delta_e_2000, rgb_to_lab
from capas.data.image.degradations import (
    ImagePair,
)
from capas.engine.execution import Execution
from capas.engine.recipe import TestResult
from capas.engine.recipes.restoration.restorer import Restorer
from capas.metrics.bootstrap import mean_with_interval
from capas.metrics.image_quality import SSIM_WINDOW, psnr, ssim

MAX_PSNR_DB: Final = 100.0  # of two pictures that are equal


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageQuality:
    """Similarity of a restored image to its target.

    Attributes:
        psnr: Peak signal-to-noise ratio in dB, at most 100.
        ssim: Structural similarity in [−1, 1]; None where a side is below 11 pixels.
        delta_e: Mean ΔE2000; None for greyscale images.
    """

    psnr: float
    ssim: float | None
    delta_e: float | None


def measure_quality(picture: Tensor, target: Tensor) -> ImageQuality:
    """Compare two images (C, H, W) in [0, 1], rounded to 256 levels as they would be stored."""
    rounded, true = ((p.clamp(0, 1) * 255).round()[None] / 255 for p in (picture, target))
    large = min(target.shape[1:]) >= SSIM_WINDOW
    return ImageQuality(
        psnr=min(MAX_PSNR_DB, float(psnr(rounded, true))),
        ssim=float(ssim(rounded, true)) if large else None,
        delta_e=float(delta_e_2000(rgb_to_lab(rounded), rgb_to_lab(true)).mean()) if len(picture) == 3 else None,
    )


_UNITS: Final = {"psnr": "dB", "ssim": "", "delta_e": ""}


def evaluate_restoration(
    pairs: Iterable[tuple[str, ImagePair]], restorer: Restorer, network: nn.Module, execution: Execution
) -> TestResult:
    """Return the mean metrics over whole images, and the mean gain over the baseline on the same images."""
    results: list[ImageQuality] = []
    baseline_quality: list[ImageQuality] = []
    rows = [["example", "psnr", "ssim", "delta_e", f"psnr {restorer.baseline}"]]
    for name, pair in pairs:
        target = restorer.target_image(pair.source, pair.target)
        results.append(measure_quality(restorer.restore(network, pair.source, execution), target))
        baseline_quality.append(measure_quality(restorer.baseline_image(pair.source), target))
        cells = (results[-1].psnr, results[-1].ssim, results[-1].delta_e, baseline_quality[-1].psnr)
        rows.append([name, *("" if cell is None else f"{cell:.4f}" for cell in cells)])
    colours = restorer.kind == "colourise"
    metrics, baseline = _figures(results, colours), _figures(baseline_quality, colours)
    gain = torch.tensor([a.psnr - b.psnr for a, b in zip(results, baseline_quality, strict=True)])
    metrics["psnr_gain"] = {**mean_with_interval(gain).as_json(), "unit": "dB"}
    if colours:
        less = [(b.delta_e or 0.0) - (a.delta_e or 0.0) for a, b in zip(results, baseline_quality, strict=True)]
        metrics["delta_e_gain"] = {**mean_with_interval(torch.tensor(less)).as_json(), "unit": ""}
    return TestResult(n=len(results), metrics=metrics, baseline={restorer.baseline: baseline}, rows=rows)


def _figures(results: Sequence[ImageQuality], colours: bool) -> dict[str, object]:
    columns: dict[str, list[float | None]] = {
        **({"delta_e": [q.delta_e for q in results]} if colours else {}),
        "psnr": [q.psnr for q in results],
        "ssim": [q.ssim for q in results],
    }
    figures: dict[str, object] = {}
    for name, column in columns.items():
        values = [value for value in column if value is not None]
        if values:
            figures[name] = {**mean_with_interval(torch.tensor(values)).as_json(), "unit": _UNITS[name]}
    return figures
