"""Recordings with tones at known places, their segments beside them in Audacity's form."""

import wave
from pathlib import Path

import numpy as np

from capas.data.audio.segments import Segment

RATE = 8000
HERTZ = {"low": 400.0, "high": 1800.0}


def tones(path: Path, seed: int, *, seconds: float = 2.0, labels: tuple[str, ...] = ("low", "high")) -> list[Segment]:
    """Write a recording with a faint noise and one or two tones in it; where they are."""
    chance = np.random.default_rng(seed)
    samples = chance.normal(0, 0.01, round(seconds * RATE))
    found, place = [], 0.0
    for _ in range(int(chance.integers(1, 3))):
        start = round(place + float(chance.uniform(0.2, 0.5)), 2)
        end = round(start + float(chance.uniform(0.25, 0.5)), 2)
        label = str(chance.choice(labels))
        times = np.arange(round(start * RATE), round(end * RATE))
        samples[times] += 0.3 * np.sin(2 * np.pi * HERTZ[label] * times / RATE)
        found.append(Segment(start_s=start, end_s=end, label=label))
        place = end
    write(path, samples)
    return found


def write(path: Path, samples: np.ndarray) -> Path:
    """16-bit wav at 8 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(RATE)
        stream.writeframes((32767 * samples).clip(-32768, 32767).astype("<i2").tobytes())
    return path


def recordings(root: Path, count: int = 40, *, labels: tuple[str, ...] = ("low", "high")) -> Path:
    """A folder of them."""
    for i in range(count):
        found = tones(root / f"{i}.wav", i, labels=labels)
        lines = "".join(f"{one.start_s:.6f}\t{one.end_s:.6f}\t{one.label}\n" for one in found)
        (root / f"{i}.txt").write_text(lines, encoding="utf-8")
    return root
