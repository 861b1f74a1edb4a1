"""Signs for tests: each identity is a few strokes, each example draws them a little otherwise."""

from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 16


def write_signs(folder: Path, *, identities: int = 20, each: int = 5, seed: int = 0, table: bool = True) -> Path:
    """Write class folders, and with ``table`` beside them signs.csv with the columns path, sign, scanner and number."""
    rng, rows = np.random.default_rng(seed), ["path,sign,scanner,number"]
    for identity in range(identities):
        corners, place = rng.uniform(2, SIDE - 3, (4, 2)), folder / f"sign{identity:02d}"
        place.mkdir(parents=True, exist_ok=True)
        for example in range(each):
            drawn, picture = corners + rng.normal(0, 0.5, corners.shape), np.zeros((SIDE, SIDE), np.uint8)
            for start, end in pairwise(drawn):
                for share in np.linspace(0, 1, 30):
                    row, column = np.clip((start + (end - start) * share).round().astype(int), 0, SIDE - 1)
                    picture[row, column] = 255
            Image.fromarray(picture).save(place / f"{example}.png")
            rows.append(f"{place.name}/{example}.png,{place.name},{'left' if identity % 2 else 'right'},{len(rows)}")
    if table:
        (folder / "signs.csv").write_text("\n".join(rows) + "\n")
    return folder
