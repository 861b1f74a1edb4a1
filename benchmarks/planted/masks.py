"""Planted flaws in pictures with masks: discs and bars on paper, masks of other pictures, copies in the test."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.planted.case import Planted, parted

SIDE = 48
SHORT = ("--set", "train.time_s=15")
Array = NDArray[np.uint8]


def _scene(rng: np.random.Generator) -> tuple[Array, Array]:
    """A light disc (class 1) and a dark bar (class 2) on grey paper."""
    i, j = np.indices((SIDE, SIDE))
    mask = np.zeros((SIDE, SIDE), np.uint8)
    y, x = rng.integers(10, SIDE - 10, 2)
    bar = int(rng.integers(4, SIDE - 12))
    if rng.random() < 0.5:
        mask[bar : bar + 7] = 2
    else:
        mask[:, bar : bar + 7] = 2
    mask[(i - y) ** 2 + (j - x) ** 2 < rng.integers(6, 10) ** 2] = 1
    light = np.array([130, 215, 60])[mask] + rng.normal(0, 9, mask.shape) + rng.uniform(-15, 15)
    return np.clip(light, 0, 255).astype(np.uint8), mask


def _write(folder: Path, pictures: list[Array], masks: list[Array], parts: list[str] | None = None) -> Path:
    for i, (picture, mask) in enumerate(zip(pictures, masks, strict=True)):
        root = folder if parts is None else folder / parts[i]
        for name, array in (("images", picture), ("masks", mask)):
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(root / name / f"{i:04d}.png")
    return folder


def masks_of_others(folder: Path) -> Path:
    """One mask in six belongs to another picture."""
    rng = np.random.default_rng(501)
    pictures, masks = map(list, zip(*(_scene(rng) for _ in range(240)), strict=True))
    wrong = rng.permutation(len(masks))[: len(masks) // 6]
    mixed = list(masks)
    for place, source in zip(wrong, np.roll(wrong, 1), strict=True):
        mixed[place] = masks[source]
    return _write(folder, pictures, mixed)


def copies(folder: Path) -> Path:
    """A quarter of the test are pictures of the training, a little darker."""
    rng = np.random.default_rng(502)
    pictures, masks = map(list, zip(*(_scene(rng) for _ in range(240)), strict=True))
    parts = parted(len(masks), rng)
    learnt = [i for i, part in enumerate(parts) if part == "train"]
    test = [i for i, part in enumerate(parts) if part == "test"]
    for place in test[: len(test) // 4]:
        source = int(rng.choice(learnt))
        pictures[place] = np.clip(pictures[source] * 0.93 + rng.normal(0, 2, (SIDE, SIDE)), 0, 255).astype(np.uint8)
        masks[place] = masks[source]
    return _write(folder, pictures, masks, parts)


def clean_scenes(folder: Path) -> Path:
    rng = np.random.default_rng(551)
    pictures, masks = map(list, zip(*(_scene(rng) for _ in range(240)), strict=True))
    return _write(folder, pictures, masks)


PLANTED = (
    Planted(name="one mask in six is of another picture", medium="mask", make=masks_of_others,
            keys=("masks_of_other_pictures",), options=SHORT, peers={"datalab": ("label",)}),
    Planted(name="darker copies in the test", medium="mask", make=copies, keys=("leaked_test",), options=SHORT,
            peers={"datalab": ("near_duplicate",), "deepchecks": ("Train Test Samples Mix",)}),
)  # fmt: skip
CLEAN = (Planted(name="discs and bars", medium="mask", make=clean_scenes, options=SHORT),)
