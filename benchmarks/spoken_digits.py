"""Spoken digits (Free Spoken Digit Dataset, 2,000 recordings of 4 speakers): which digit is said.

Expected: ≥ 97 % on the official split (recordings 0–4 of each digit and speaker are the test). Beside it, each speaker
in turn is the test and the other three are learnt from: what a voice costs that was never heard.
"""

import csv
import json
import tempfile
from pathlib import Path

from benchmarks.record import conditions, keep, spread, table
from benchmarks.trained import figure, given, shown, train

SEEDS = (1,)


def lay_out(path: Path, left_out: str | None = None) -> Path:
    """A table of recordings with digit, speaker and split."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "digit", "speaker", "split"])
        for sound in sorted(given("spoken-digits").glob("*.wav")):
            digit, speaker, number = sound.stem.split("_")
            tested = int(number) < 5 if left_out is None else speaker == left_out
            writer.writerow([sound, digit, speaker, "test" if tested else "train"])
    return path


def main() -> None:
    """The official split, then each speaker."""
    facts = conditions("spoken-digits")
    speakers = sorted({sound.stem.split("_")[1] for sound in given("spoken-digits").glob("*.wav")})
    tasks = [(f"official split, seed {seed}", None, seed) for seed in SEEDS]
    tasks += [(f"{speaker} never heard", speaker, 1) for speaker in speakers]
    rows, runs = [], {}
    with tempfile.TemporaryDirectory() as name:
        for number, (title, left_out, seed) in enumerate(tasks):
            data = lay_out(Path(name) / f"{number}.csv", left_out)
            run = train(data, Path(name) / str(number), ["data.target=digit"], "--seed", str(seed))
            runs[title] = {key: run[key] for key in ("metrics", "baseline", "seconds")}
            print(title, json.dumps(run["metrics"]["accuracy"]), flush=True)  # type: ignore[index]
            linear = run["baseline"]["logistic_regression"]["accuracy"]  # type: ignore[index]
            rows.append([title, shown(figure(run, "accuracy")), shown(linear), f"{run['seconds']:.0f}"])
    values = [100 * runs[title]["metrics"]["accuracy"]["value"] for title, left_out, _ in tasks if left_out]  # type: ignore[index]
    rows.append(["median (range) of the four voices", f"{spread(values)} %", "", ""])
    heads = ["test", "right (95 %)", "a linear model", "training s"]
    keep("spoken-digits", "Spoken digits", (__doc__ or "") + "\n" + table(heads, rows), facts, runs)


if __name__ == "__main__":
    main()
