"""English captions in French and in German: Multi30k, ``capas train FOLDER --time 30m`` as it settles by itself.

Data: task 1 of Multi30k, 29,000 pairs to train on, 1,014 to validate, test_2016_flickr (1,000) to test, in the folder
multi30k of CAPAS_DATA as gzipped files; nothing is lower-cased or tokenised beforehand. No other text is used. BLEU is
sacrebleu's (13a, mixed case), which is computed too, as a check, where it is installed.

Expected: BLEU ≥ 45 into French after an hour at most on two cores; into German, measured.
"""

import csv
import gzip
import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.record import conditions, keep, table

PAIRS = (("en", "fr"), ("en", "de"))
TIME = "30m"
PARTS = ("train", "val", "test_2016_flickr")
SHOWN = 6


def lay_out(folder: Path, pair: tuple[str, str]) -> None:
    """The parts in both languages as plain text. Exits where CAPAS_DATA does not hold them."""
    given = Path(os.environ.get("CAPAS_DATA", "")) / "multi30k"
    names = [f"{part}.{language}" for part in PARTS for language in pair]
    if "CAPAS_DATA" not in os.environ or not all((given / f"{name}.gz").is_file() for name in names):
        sys.exit(f"Set CAPAS_DATA to a folder that holds multi30k/ with {', '.join(f'{n}.gz' for n in names)}.")
    for name in names:
        with gzip.open(given / f"{name}.gz", "rb") as stream:
            (folder / name).write_bytes(stream.read())


def rows_of(run: Path) -> list[dict[str, str]]:
    """What the run answered: source, reference and translation of every test sentence."""
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def sacrebleu_of(rows: list[dict[str, str]]) -> float | None:
    """sacrebleu's own figure, None where it is not installed."""
    try:
        corpus_bleu = importlib.import_module("sacrebleu").corpus_bleu
    except ImportError:
        return None
    return float(corpus_bleu([row["translation"] for row in rows], [[row["reference"] for row in rows]]).score)


def measure(pair: tuple[str, str]) -> dict[str, object]:
    """One run of the command line, with the first translations of its test."""
    with tempfile.TemporaryDirectory() as name:
        data, out = Path(name) / "data", Path(name) / "run"
        data.mkdir()
        lay_out(data, pair)
        command = [sys.executable, "-m", "capas.cli.main", "train", str(data), "--time", TIME, "--out", str(out)]
        command += ["--set", "execution.threads=1", "--json"]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows = rows_of(out)
    return {"run": json.loads(printed), "sacrebleu": sacrebleu_of(rows), "first": rows[:SHOWN]}


def line_of(name: str, run: dict[str, Any], check: float | None) -> list[object]:
    """A row of the table."""
    figures, copied = run["metrics"], run["baseline"]["copy"]
    low, high = figures["bleu"]["interval"]
    return [
        name, f"{figures['bleu']['value']:.1f} ({low:.1f}–{high:.1f})", f"{figures['chrf2']['value']:.1f}",
        f"{100 * figures['exact']['value']:.1f} %", "not installed" if check is None else f"{check:.1f}",
        f"{copied['bleu']['value']:.1f}", f"{run['seconds']:.0f}",
    ]  # fmt: skip


def report(runs: dict[str, dict[str, Any]], facts: dict[str, object]) -> None:
    """What has been measured so far."""
    heads = ["", "BLEU (95 %)", "chrF2", "word for word", "sacrebleu", "the source copied, BLEU", "training s"]
    rows = [line_of(name, found["run"], found["sacrebleu"]) for name, found in runs.items()]
    parts = [__doc__ or "", table(heads, rows)]
    for name, found in runs.items():
        first = [[row["source"], row["reference"], row["translation"]] for row in found["first"]]
        parts += ["", f"The first of the test, {name}:", "", table(["source", "reference", "translation"], first)]
    keep("multi30k", "Captions from English into French and German", "\n".join(parts), facts, runs)


def main() -> None:
    """One run of each pair."""
    facts = conditions("multi30k")
    runs: dict[str, dict[str, Any]] = {}
    for pair in PAIRS:
        runs["–".join(pair)] = measure(pair)
        report(runs, facts)


if __name__ == "__main__":
    main()
