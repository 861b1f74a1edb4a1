"""Speech or none, every 10 ms: spoken digits of voices never heard, in noise, beside a threshold on loudness.

Digits (Free Spoken Digit Dataset) put at known places into silence with noise (white, pink or brown) of 20, 10, 5 and
0 dB below the speech, at any loudness. Two voices are learnt from, two others are the test.

Expected: wrong for less than half of the time for which an energy threshold is wrong that is tuned on the same
recordings (as it is, or above the quiet of each recording, whichever does better), most of all where there is much
noise. A digit counts as speech from its first to its last 10 ms that are less than 30 dB below its loudest.
"""

import csv
import json
import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.record import conditions, keep, table
from benchmarks.trained import figure, given, shown, train
from capas.baselines.energy_threshold import EnergyThreshold
from capas.data.audio.io import read_audio
from capas.data.audio.segments import Segment, frame_classes
from capas.engine.recipes.audio_frames.learn import MIN_DURATIONS
from capas.engine.recipes.audio_frames.windows import frame_levels_db
from capas.engine.recipes.shared.spectrograms import AudioPreparation

RATE, SECONDS, DIGITS = 8000, 12.0, 8
QUIET_DB = 30.0
LOUD_DB = (20, 10, 5, 0)
TESTED, EPOCHS = 2, 5
LEARNT, EACH = 96, 16  # recordings to learn from; for each ratio of the test
Wave = NDArray[np.float64]


def noise(count: int, chance: np.random.Generator) -> Wave:
    """White, pink or brown: of power that falls with frequency to the power of 0, 1 or 2; root mean square 1."""
    spectrum = np.fft.rfft(chance.normal(size=count))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20) ** (float(chance.integers(3)) / 2)
    made = np.fft.irfft(spectrum, count)
    return np.asarray(made / np.sqrt(np.mean(made**2)))


def without_quiet_ends(samples: Wave) -> Wave:
    """What lies between the first and the last 10 ms that are less than ``QUIET_DB`` below the loudest: some files
    begin or end in silence, which is no speech."""
    hop = RATE // 100
    levels = np.sqrt(np.mean(samples[: len(samples) // hop * hop].reshape(-1, hop) ** 2, axis=1))
    loud = np.flatnonzero(levels > levels.max() * 10 ** (-QUIET_DB / 20))
    return samples[loud[0] * hop : (loud[-1] + 1) * hop]


def recording(digits: Sequence[Path], ratio_db: float, chance: np.random.Generator) -> tuple[Wave, list[Segment]]:
    """Digits one after the other, with 0.3 s to 2 s between, and noise ``ratio_db`` below them."""
    speech, found, place = np.zeros(round(SECONDS * RATE)), list[Segment](), 0
    for path in digits:
        samples = without_quiet_ends(read_audio(path, sample_rate=RATE).samples.astype(np.float64))
        start = place + round(float(chance.uniform(0.3, 2)) * RATE)
        place = start + len(samples)
        if place > len(speech):
            break
        speech[start:place] = samples / np.sqrt(np.mean(samples**2))
        found.append(Segment(start_s=start / RATE, end_s=place / RATE, label="speech"))
    mixed = speech + noise(len(speech), chance) * 10 ** (-ratio_db / 20)
    return mixed * 10 ** (float(chance.uniform(-40, -20)) / 20), found


def lay_out(root: Path) -> None:
    """train/ with two voices, test/ with two others; "005-10dB.wav" beside "005-10dB.txt"."""
    sounds = sorted(given("spoken-digits").glob("*.wav"))
    voices = sorted({sound.stem.split("_")[1] for sound in sounds})
    tests = [ratio for ratio in LOUD_DB for _ in range(EACH)]
    learnt = [LOUD_DB[i % len(LOUD_DB)] for i in range(LEARNT)]
    for split, own, ratios in (("train", voices[:-TESTED], learnt), ("test", voices[-TESTED:], tests)):
        chance = np.random.default_rng(0 if split == "train" else 1)
        pool = [sound for sound in sounds if sound.stem.split("_")[1] in own]
        (root / split).mkdir(parents=True)
        for number, ratio in enumerate(ratios):
            chosen = [pool[i] for i in chance.choice(len(pool), DIGITS, replace=False)]
            samples, found = recording(chosen, ratio, chance)
            stem = root / split / f"{number:03d}-{ratio}dB"
            write(stem.with_suffix(".wav"), samples)
            lines = "".join(f"{one.start_s:.6f}\t{one.end_s:.6f}\t{one.label}\n" for one in found)
            stem.with_suffix(".txt").write_text(lines, encoding="utf-8")


def write(path: Path, samples: Wave) -> None:
    """16-bit wav."""
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(RATE)
        stream.writeframes((32767 * samples).clip(-32768, 32767).astype("<i2").tobytes())


def truth(path: Path, frames: int) -> torch.Tensor:
    """The class of each frame of a recording, from its file of segments."""
    rows = [line.split("\t") for line in path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()]
    found = [Segment(start_s=float(start), end_s=float(end), label=label) for start, end, label in rows]
    return frame_classes(found, ("none", "speech"), frames, 0.01)


def by_energy(root: Path) -> dict[str, float]:
    """The share of wrong frames at each ratio, of a threshold that is tuned on all recordings to learn from."""
    preparation = AudioPreparation(rate=RATE, seconds=10.0, num_mels=64)

    def read(folder: str) -> dict[Path, torch.Tensor]:
        paths = sorted((root / folder).glob("*.wav"))
        return {p: frame_levels_db(torch.from_numpy(read_audio(p).samples), preparation) for p in paths}

    learnt = read("train")
    fitted = EnergyThreshold.fit(
        list(learnt.values()), [truth(path, len(own)) for path, own in learnt.items()], MIN_DURATIONS
    )
    wrong: dict[str, list[float]] = {}
    for path, own in read("test").items():
        missed = torch.tensor(fitted.predict(own)) != truth(path, len(own))
        wrong.setdefault(path.stem.split("-")[1], []).append(float(missed.double().mean()))
    return {ratio: float(np.mean(shares)) for ratio, shares in wrong.items()}


def by_network(run: Path) -> dict[str, float]:
    """The same of the network."""
    wrong: dict[str, list[float]] = {}
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            wrong.setdefault(Path(row["example"]).stem.split("-")[1], []).append(float(row["frame_error"]))
    return {ratio: float(np.mean(shares)) for ratio, shares in wrong.items()}


def main() -> None:
    """Lay the recordings out, train once, and compare at every ratio."""
    facts = conditions("speech-frames")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "data"
        lay_out(root)
        run = train(root, Path(name) / "run", [f"train.epochs={EPOCHS}"])
        network, energy = by_network(Path(name) / "run"), by_energy(root)
    print(json.dumps(run["metrics"]), flush=True)
    rows = [
        [ratio.replace("dB", " dB"), f"{100 * network[ratio]:.1f} %", f"{100 * energy[ratio]:.1f} %"]
        for ratio in (f"{db}dB" for db in LOUD_DB)
    ]
    simple = {name: own["frame_error"] for name, own in run["baseline"].items()}  # type: ignore[attr-defined]
    rows.append(
        ["all (95 % over recordings)", shown(figure(run, "frame_error")), shown(simple["energy_threshold"])]
    )  # fmt: skip
    others = [
        ["always none, wrong", shown(simple["most_frequent_class"])],
        *([title, shown(figure(run, key))] for title, key in (
            ("missed, of the speech", "missed"), ("false alarm, by the speech", "false_alarm"),
            ("detection error rate", "detection_error"), ("segments with both ends within 0.2 s (F1)", "event_f1"),
        )),
        ["training s", f"{run['seconds']:.0f}"],
    ]  # fmt: skip
    text = (__doc__ or "") + "\n" + table(["speech above noise", "frames wrong", "energy threshold"], rows)
    text += (
        "\n\nThe threshold of the last line is tuned on the validation split, those above on all training recordings.\n"
    )
    text += "\n" + table(["of the network", ""], others)
    kept = {key: run[key] for key in ("metrics", "baseline", "seconds")}
    keep("speech-frames", "Speech or none", text, facts, {**kept, "wrong": {"network": network, "energy": energy}})


if __name__ == "__main__":
    main()
