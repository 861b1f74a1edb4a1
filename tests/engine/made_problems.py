"""Small made-up problems, one for each kind of input and answer; each can be learnt in a second or two."""

import csv
import math
import wave
from pathlib import Path

import numpy as np
from PIL import Image

WORDS = {"sea": "boat wave sail harbour tide anchor", "field": "wheat plough barn harvest soil tractor"}


def rows_table(path: Path, n: int = 160) -> Path:
    """Kind follows from weight and colour; price (eur) from weight; tags from both; some cells are empty."""
    chance = np.random.default_rng(0)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["weight (kg)", "colour", "bought", "kind", "marks", "price_eur"])
        for i in range(n):
            weight, colour = chance.normal(50, 10), str(chance.choice(["red", "blue", "green"]))
            kind = "heavy" if weight + 5 * (colour == "red") > 52 else "light"
            marks = ";".join(m for m, holds in (("big", weight > 50), ("warm", colour == "red")) if holds)
            price = 3 * weight + 2 * chance.normal()
            shown = "" if i % 20 == 3 else f"{weight:.3f}"
            writer.writerow([shown, colour, f"2024-{1 + i % 12:02d}-15", kind, marks or "none", f"{price:.2f}"])
    return path


def texts_table(path: Path, n: int = 120) -> Path:
    """Sentences about the sea or about fields, or both (tags)."""
    chance = np.random.default_rng(0)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["sentence", "about", "topics"])
        for i in range(n):
            about = "sea" if i % 2 else "field"
            words = list(chance.choice(WORDS[about].split(), 4))
            topics = [about]
            if i % 5 == 0:
                other = "field" if about == "sea" else "sea"
                words += list(chance.choice(WORDS[other].split(), 4))
                topics.append(other)
            writer.writerow([f"the {' and the '.join(words)} number {i}", about, ";".join(sorted(topics))])
    return path


def sound(path: Path, frequency: float, *, seconds: float = 0.3, rate: int = 8000, seed: int = 0) -> Path:
    """A sine with a little noise, 16-bit wav."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(0, 0.01, len(times))
    samples = 0.5 * np.sin(2 * math.pi * frequency * times) + noise
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(rate)
        stream.writeframes((32767 * samples).astype("<i2").tobytes())
    return path


def sound_folders(root: Path, each: int = 24) -> Path:
    """Low and high tones of slightly different pitch and length."""
    for name, base in (("low", 200.0), ("high", 1500.0)):
        for i in range(each):
            sound(root / name / f"{i}.wav", base * (1 + i / 100), seconds=0.2 + 0.005 * (i % 10), seed=i)
    return root


def brightness_table(root: Path, n: int = 120) -> Path:
    """Pictures with their brightness (0..100) and tags, in a table beside."""
    chance = np.random.default_rng(0)
    root.mkdir(parents=True, exist_ok=True)
    with (root / "table.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "brightness", "redness", "seen"])
        for i in range(n):
            level, red = chance.uniform(0.2, 0.8), chance.uniform(0, 1)
            pixels = np.full((16, 16, 3), level)
            pixels[..., 1:] *= 1 - 0.8 * red
            pixels += chance.normal(0, 0.02, pixels.shape)
            Image.fromarray((255 * pixels.clip(0, 1)).astype(np.uint8)).save(root / f"{i:03d}.png")
            seen = ";".join(t for t, holds in (("bright", level > 0.5), ("red", red > 0.5)) if holds) or "plain"
            writer.writerow([f"{i:03d}.png", f"{100 * level:.2f}", f"{red:.3f}", seen])
    return root
