"""Small different pictures for tests: a random pattern per seed, smooth enough to survive JPEG."""

from pathlib import Path

import numpy as np
from PIL import Image


def drawn(seed: int, side: int = 32, mode: str = "RGB") -> Image.Image:
    """A picture of 4×4 random fields, scaled up to side × side."""
    fields = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(fields).resize((side, side), Image.Resampling.BICUBIC).convert(mode)


def save(path: Path, seed: int, side: int = 32, mode: str = "RGB") -> Path:
    """Draw and save; the folders above are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn(seed, side, mode).save(path)
    return path


def class_folders(root: Path, *, seed: int = 0, **counts: int) -> Path:
    """``root/NAME/0.png …`` with so many pictures per class, all different; another ``seed`` draws others."""
    for name, count in counts.items():
        for i in range(count):
            save(root / name / f"{i}.png", seed := seed + 1)
    return root
