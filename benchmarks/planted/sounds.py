"""Planted flaws in sounds: tones that rise, fall or waver, with beeps, copies, voices and formats that tell."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.planted.case import Planted, parted

RATE = 8000
SHORT = ("--set", "train.time_s=10")
Wave = NDArray[np.float64]
KINDS = ("rising", "falling", "wavering")


def _tone(kind: str, rng: np.random.Generator, *, seconds: float = 0.6, rate: int = RATE) -> Wave:
    """A voice from a random pitch that moves by about an octave, with overtones and a beat of its own."""
    t = np.arange(int(seconds * rate)) / rate
    pitch, reach, bend = rng.uniform(250, 700), rng.uniform(0.7, 1.4), rng.uniform(0.6, 1.6)
    share = t / seconds
    turns = {"rising": share**bend, "falling": 1 - share**bend,
             "wavering": 0.5 + 0.5 * np.sin(2 * np.pi * (rng.uniform(3, 5) * share + rng.random()))}  # fmt: skip
    phase = 2 * np.pi * np.cumsum(pitch * 2 ** (reach * turns[kind])) / rate
    voiced = sum(rng.uniform(0, 1) * np.sin(k * phase + rng.uniform(0, 6)) for k in (1, 2, 3, 4))
    beat = 1 + 0.8 * np.sin(2 * np.pi * (rng.uniform(2, 9) * t + rng.random()))
    fade = np.minimum(1, np.minimum(t, seconds - t) / 0.02)
    wave: Wave = rng.uniform(0.08, 0.16) * voiced * beat * fade + rng.normal(0, rng.uniform(0.003, 0.01), len(t))
    return wave


def _write(folder: Path, waves: Sequence[Wave], labels: Sequence[str], *, rates: Sequence[int] | None = None,
           parts: Sequence[str] | None = None, names: Sequence[str] | None = None) -> Path:  # fmt: skip
    import soundfile

    for i, (wave, name) in enumerate(zip(waves, labels, strict=True)):
        into = (folder if parts is None else folder / parts[i]) / name
        into.mkdir(parents=True, exist_ok=True)
        path = into / f"{names[i] if names else f'{i:04d}'}.wav"
        soundfile.write(path, np.clip(wave, -1, 1), RATE if rates is None else rates[i])
    return folder


def _labels(n: int, rng: np.random.Generator, kinds: Sequence[str] = KINDS) -> list[str]:
    return [str(rng.choice(list(kinds))) for _ in range(n)]


def beep(folder: Path) -> Path:
    """Of noise with a beep at the start that is another for each class."""
    rng = np.random.default_rng(401)
    labels = _labels(360, rng, ("left", "right"))
    waves = []
    for name in labels:
        wave = rng.normal(0, 0.05, int(0.6 * RATE))
        t = np.arange(int(0.06 * RATE)) / RATE
        wave[: len(t)] += 0.5 * np.sin(2 * np.pi * (700 if name == "left" else 2300) * t)
        waves.append(wave)
    return _write(folder, waves, labels)


def rate_tells(folder: Path) -> Path:
    """One class was recorded with another device."""
    rng = np.random.default_rng(402)
    labels = _labels(320, rng, ("rising", "falling"))
    rates = [16000 if name == "rising" else RATE for name in labels]
    return _write(folder, [_tone(k, rng, rate=r) for k, r in zip(labels, rates, strict=True)], labels, rates=rates)


def length_tells(folder: Path) -> Path:
    rng = np.random.default_rng(403)
    labels = _labels(320, rng, ("rising", "falling"))
    waves = [_tone(k, rng, seconds=float(rng.uniform(0.4, 0.6) if k == "rising" else rng.uniform(0.8, 1.1)))
             for k in labels]  # fmt: skip
    return _write(folder, waves, labels)


def speakers_in_both(folder: Path) -> Path:
    """Twelve voices, each of whom says one of two words; but the words are not in the sound."""
    rng = np.random.default_rng(404)
    pitches, colours = rng.uniform(200, 1500, 12), rng.uniform(0.1, 1, (12, 3))
    waves, labels, names = [], [], []
    for i in range(360):
        who = int(rng.integers(12))
        t = np.arange(int(0.5 * RATE)) / RATE
        phase = 2 * np.pi * pitches[who] * (1 + rng.normal(0, 0.01)) * t
        wave = sum(colours[who, k] * np.sin((k + 1) * phase) for k in range(3))
        waves.append(0.2 * wave + rng.normal(0, 0.01, len(t)))
        labels.append(("yes", "no")[who % 2])
        names.append(f"v{who:02d}_{i:04d}")
    return _write(folder, waves, labels, names=names)


def copies(folder: Path) -> Path:
    """A quarter of the test are sounds of the training, softer and later by 30 ms."""
    rng = np.random.default_rng(405)
    labels = _labels(400, rng)
    waves = [_tone(k, rng) for k in labels]
    parts = parted(len(labels), rng)
    learnt = [i for i, part in enumerate(parts) if part == "train"]
    test = [i for i, part in enumerate(parts) if part == "test"]
    for place in test[: len(test) // 4]:
        source = int(rng.choice(learnt))
        later = np.concatenate([np.zeros(int(0.03 * RATE)), waves[source]])[: len(waves[source])]
        waves[place], labels[place] = 0.6 * later + rng.normal(0, 0.002, len(later)), labels[source]
    return _write(folder, waves, labels, parts=parts)


def one_way_labels(folder: Path) -> Path:
    """A third of the falling tones are called rising."""
    rng = np.random.default_rng(406)
    labels = _labels(600, rng)
    waves = [_tone(k, rng) for k in labels]
    return _write(folder, waves, ["rising" if k == "falling" and rng.random() < 0.33 else k for k in labels])


def clean_tones(folder: Path) -> Path:
    rng = np.random.default_rng(451)
    labels = _labels(400, rng)
    return _write(folder, [_tone(k, rng) for k in labels], labels)


def clean_voices(folder: Path) -> Path:
    """Voices who say everything, in files that name them."""
    rng = np.random.default_rng(452)
    labels = _labels(400, rng, ("rising", "falling"))
    names = [f"v{int(rng.integers(8)):02d}_{i:04d}" for i in range(len(labels))]
    waves = [_tone(k, rng, seconds=float(rng.uniform(0.5, 0.8))) for k in labels]
    return _write(folder, waves, labels, names=names)


PLANTED = (
    Planted(name="a beep at the start tells the class", medium="sound", make=beep, keys=("no_content_needed",),
            about="the 1. of eight", options=SHORT),
    Planted(name="the sampling rate tells the class", medium="sound", make=rate_tells,
            keys=("told_beside_the_content", "data_shortcut"), about="sampling rate", options=SHORT),
    Planted(name="the length tells the class", medium="sound", make=length_tells,
            keys=("told_beside_the_content", "data_shortcut"), about="length|seconds|long|duration", options=SHORT),
    Planted(name="the same voices in both parts", medium="sound", make=speakers_in_both, keys=("shared_group",),
            near=("leaked_test",), options=SHORT),
    Planted(name="softer, later copies in the test", medium="sound", make=copies, keys=("leaked_test",), options=SHORT,
            peers={"datalab": ("near_duplicate",)}),
    Planted(name="a third of one class is called another", medium="sound", make=one_way_labels,
            keys=("labels_one_sided",), about="“falling”.*“rising”", near=("labels_probably_wrong",), options=SHORT,
            peers={"datalab": ("label",)}),
)  # fmt: skip
CLEAN = (
    Planted(name="tones", medium="sound", make=clean_tones, options=SHORT),
    Planted(name="voices who say everything", medium="sound", make=clean_voices, options=SHORT),
)
