"""Small pictures of two classes, with or without a shortcut."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.harness import FIXED

SMALL = {**FIXED, "network.name": "compact", "network.flip_tta": False, "augment.flip": False, "augment.crop": 0,
         "augment.cutout": 0}  # fmt: skip


def made_pictures(root: Path, n: int, *, mark: bool, content: bool, seed: int = 0, side: str = "") -> Path:
    """Two classes: bars that lie or stand (``content``), in noise; ``mark`` puts a colour per class into the corner."""
    chance = np.random.default_rng(seed)
    for i in range(n):
        kind = i % 2
        picture = chance.integers(60, 120, (24, 24, 3), dtype=np.uint8)
        if content:
            at = int(chance.integers(4, 18))
            view = picture[at : at + 3, 4:20] if kind else picture[4:20, at : at + 3]
            view[:] = 230
        if mark:
            picture[:4, :4] = (255, 0, 0) if kind else (0, 0, 255)
        path = root / side / ("lying" if kind else "standing") / f"{seed}-{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return root
