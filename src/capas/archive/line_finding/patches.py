"""Training patches of pages, with augmentation: scale, rotation, warp, brightness, contrast, noise, binarisation."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from capas.archive.line_finding.maps import normalised_ink, reduced_grey
from capas.archive.line_finding.spacing import Floats, spacings
from capas.archive.line_finding.targets import target_maps
from capas.page_formats.formats import read_page

SIZE: Final = 384
# Pixels between lines: of the pages that are kept, and the least and the most of patches.
KEPT: Final = 36.0
LEAST, MOST = 11.0, 42.0
TURN: Final = 5.0  # degrees
_STEPS: Final = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingPage:
    """A grey page with its baselines, (P, 2) each, and the line spacing at each of them, in pixels."""

    picture: NDArray[np.uint8]
    baselines: list[Floats]
    spaces: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingPatch:
    """``inputs`` (1, H, W) and target maps ``targets`` (O, H/2, W/2)."""

    inputs: Tensor
    targets: Tensor


def training_page(file: Path, picture: Path) -> TrainingPage:
    """Read a transcribed page, reduced until its lines are ``KEPT`` pixels apart."""
    page = read_page(file).page
    lines = [np.asarray(line.baseline, dtype=np.float64) for line in page.lines]
    spaces = spacings(lines, page.height)
    usual = float(np.median(spaces)) if len(spaces) else page.height / 40
    with Image.open(picture) as image:
        pixels = np.array(image.convert("L"))
    scale = min(1.0, KEPT / usual)
    times = scale * pixels.shape[1] / page.width
    return TrainingPage(
        picture=reduced_grey(pixels, scale), baselines=[line * times for line in lines], spaces=spaces * times
    )


def random_patch(page: TrainingPage, rng: np.random.Generator) -> TrainingPatch:
    """Return a random augmented square of ``SIZE`` pixels."""
    grey, baselines, factor = _moved(page, rng)
    spaces = page.spaces * factor
    inside = [i for i, line in enumerate(baselines) if _touches(line)]
    grey, baselines = _bent(grey, [baselines[i] for i in inside], spaces[inside], rng)
    wanted = target_maps(baselines, spaces[inside], SIZE, SIZE)
    given = normalised_ink(_worn(grey, rng)) * np.float32(rng.uniform(0.7, 1.4)) + np.float32(rng.normal(0, 0.1))
    return TrainingPatch(inputs=torch.from_numpy(given)[None], targets=torch.from_numpy(wanted))


def _moved(page: TrainingPage, rng: np.random.Generator) -> tuple[NDArray[np.uint8], list[Floats], float]:
    """A patch of the page at another scale and angle, where its baselines lie in it, and how much larger it is."""
    usual = float(np.median(page.spaces)) if len(page.spaces) else KEPT
    down = math.exp(rng.uniform(math.log(LEAST), math.log(MOST))) / usual
    across = down * math.exp(rng.uniform(-0.2, 0.2))
    picture = Image.fromarray(page.picture)
    if down < 0.6:
        picture = picture.reduce(2)
    shrunk = picture.width / page.picture.shape[1]
    angle = math.radians(float(np.clip(rng.normal(0, TURN / 2), -TURN, TURN)))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    forward = turn @ np.diag([across, down])  # from the page's pixels to the patch's
    back = np.linalg.inv(forward)
    centre = rng.uniform(0.0, 1.0, 2) * page.picture.shape[::-1]
    start = centre - back @ np.full(2, SIZE / 2)
    matrix = np.concatenate([back, start[:, None]], axis=1) * shrunk
    paper = int(np.median(page.picture))
    moved = picture.transform((SIZE, SIZE), Image.Transform.AFFINE, tuple(matrix.ravel().tolist()),
                              Image.Resampling.BILINEAR, fillcolor=paper if rng.random() < 0.7 else 0)  # fmt: skip
    return np.array(moved), [(line - start) @ forward.T for line in page.baselines], down


def _touches(line: Floats) -> bool:
    return bool((line.max(axis=0) > -SIZE / 8).all() and (line.min(axis=0) < SIZE * 9 / 8).all())


def _bent(
    grey: NDArray[np.uint8], baselines: list[Floats], spaces: Floats, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], list[Floats]]:
    """Columns moved up and down along a wave, as writing without ruling wanders."""
    space = float(np.median(spaces)) if len(spaces) else KEPT
    depth, wave, phase = rng.uniform(0, 0.3) * space, rng.uniform(8, 40) * space, rng.uniform(0, 2 * math.pi)
    shift = np.rint(depth * np.sin(2 * math.pi * np.arange(SIZE) / wave + phase)).astype(np.int64)
    rows = (np.arange(SIZE)[:, None] - shift).clip(0, SIZE - 1)
    bent = []
    for line in baselines:
        order = line[:, 0].argsort(kind="stable")
        x = np.linspace(line[:, 0].min(), line[:, 0].max(), _STEPS)
        y = np.interp(x, line[order, 0], line[order, 1]) + depth * np.sin(2 * math.pi * x / wave + phase)
        bent.append(np.stack([x, y], axis=1))
    return np.take_along_axis(grey, rows, axis=0), bent


def _worn(grey: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Lighter or darker, blurred, noisy, unevenly lit, or in black and white."""
    if rng.random() < 0.2:
        grey = np.array(Image.fromarray(grey).filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2))))
    values = 255 * (grey.astype(np.float32) / 255) ** np.float32(math.exp(rng.normal(0, 0.35)))
    if rng.random() < 0.3:
        slope = np.linspace(-1, 1, SIZE, dtype=np.float32) * np.float32(rng.uniform(5, 40))
        values += slope if rng.random() < 0.5 else slope[:, None]
    if rng.random() < 0.4:
        values += rng.normal(0, rng.uniform(1, 14), values.shape).astype(np.float32)
    if rng.random() < 0.2:
        middle, low = np.median(values), np.quantile(values, 0.02)
        values = np.where(values < middle + (low - middle) * rng.uniform(0.3, 0.6), 0, 255).astype(np.float32)
    return values.clip(0, 255).astype(np.uint8)
