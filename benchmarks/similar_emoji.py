"""Similar pictures: of the ten nearest of an emoji, how many are of its subcategory, with pretrained features.

Google's emoji (npm package ``emoji-datasource-google`` 16.0.0, 64×64, as in ``transfer``) of the subcategories with
more than ten pictures (face-smiling, animal-bird, country-flag, …): each is a query, all the others are searched by
cosine, as `capas similar` does. Skin tones are left out: they would be near copies of the query. Nothing is trained and
nothing chosen, so there are no seeds. Precision@10 is the mean over the queries, with a 95 % bootstrap interval; by
chance it is the share of the query's subcategory among the others.

Expected: EfficientNet-Lite0 clearly above the pixels, both far above chance.
"""

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np
import torch

from benchmarks.record import conditions, keep, table
from benchmarks.transfer import PACKAGE, emoji
from capas.core.number_format import format_metric
from capas.metrics.bootstrap import mean_with_interval
from capas.metrics.representation import precision_at
from capas.representation.encoders import open_encoder

K: Final = 10
CHUNK: Final = 64
ENCODERS: Final = ("efficientnet-lite0", "efficientnet-lite0@64", "pixels")


def pictures(folder: Path) -> tuple[list[Path], list[str]]:
    """Paths, and the subcategory of each."""
    emoji(folder)
    package = folder / "package"
    rows = [
        (package / "img" / "google" / "64" / row["image"], str(row["subcategory"]))
        for row in json.loads((package / "emoji.json").read_text(encoding="utf-8"))
        if row["category"] != "Component"
    ]
    rows = [row for row in rows if row[0].exists()]
    counts = Counter(name for _, name in rows)
    kept = [row for row in rows if counts[row[1]] > K]
    return [path for path, _ in kept], [name for _, name in kept]


def main() -> None:
    """Each encoder once."""
    facts, measured, rows = conditions("similar-emoji"), {}, []
    with tempfile.TemporaryDirectory() as name:
        paths, subcategories = pictures(Path(name))
        names = sorted(set(subcategories))
        codes = torch.tensor([names.index(one) for one in subcategories])
        counts = codes.bincount()[codes].double()
        chance = float(((counts - 1) / (len(codes) - 1)).mean())
        for name_of in ENCODERS:
            encoder = open_encoder(name_of)
            prepared = [encoder.preprocess(path, path.name) for path in paths]
            vectors = np.concatenate([encoder.encode(prepared[i : i + CHUNK]) for i in range(0, len(prepared), CHUNK)])
            shares = precision_at(torch.from_numpy(vectors), torch.nn.functional.one_hot(codes).bool(), [K])
            figure = mean_with_interval(shares[:, 0]).as_json()
            measured[name_of] = {"precision_at_10": figure}
            rows.append([name_of, vectors.shape[1], format_metric(figure)])
    rows.append(["by chance", "", f"{100 * chance:.1f} %"])
    measured["chance"] = chance
    text = f"{PACKAGE}: {len(paths)} pictures, {len(names)} subcategories. Every picture is a query.\n\n" + table(
        ["features", "numbers", "precision@10 (95 % interval)"], rows
    )
    keep("similar-emoji", "Similar emoji", text, facts, measured)


if __name__ == "__main__":
    main()
