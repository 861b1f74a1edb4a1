"""Spanish names of persons, places and organisations: CoNLL-2002, ``capas train FOLDER`` as it settles by itself.

Data: esp.train (8,323 sentences), esp.testa (validation) and esp.testb (test) in the folder conll2002-es of CAPAS_DATA;
Latin-1 is made UTF-8. Sentences of the training part that stand word for word in the others are left out, as
Capas always does. No vectors or texts besides are used.

Expected: entity F1 on testb ≥ 80. For comparison: the shared task's best, Carreras et al. 2002, 81.39; Lample et al.
2016, with word vectors learnt from much text besides, 85.75.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.record import conditions, keep, table

SEEDS = (1,)
FILES = ("esp.train", "esp.testa", "esp.testb")
FIGURES = ("entity_f1", "entity_precision", "entity_recall")


def lay_out(folder: Path) -> None:
    """The three files in UTF-8. Exits where CAPAS_DATA does not hold them."""
    given = Path(os.environ.get("CAPAS_DATA", "")) / "conll2002-es"
    if "CAPAS_DATA" not in os.environ or not all((given / name).is_file() for name in FILES):
        sys.exit(f"Set CAPAS_DATA to a folder that holds conll2002-es/ with {', '.join(FILES)}.")
    for name in FILES:
        (folder / name).write_text(in_unicode((given / name).read_bytes()), encoding="utf-8")


def in_unicode(content: bytes) -> str:
    """The original files are in Latin-1; some copies have been converted to UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def trained(data: Path, out: Path, seed: int) -> dict[str, object]:
    """What ``capas train --json`` says, with the figures per kind of entity."""
    command = [sys.executable, "-m", "capas.cli.main", "train", str(data), "--seed", str(seed), "--out", str(out)]
    printed = subprocess.run([*command, "--json"], check=True, capture_output=True, text=True).stdout
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    return {**json.loads(printed), "per_class": metrics["per_class"], "run": seed}


def main() -> None:
    """One run a seed."""
    facts, runs = conditions("conll2002"), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        lay_out(folder / "data")
        for seed in SEEDS:
            runs.append(trained(folder / "data", folder / str(seed), seed))
            print(json.dumps(runs[-1]), flush=True)
    rows = [row_of(run) for run in runs]
    heads = ["seed", "F1 (95 %)", "precision", "recall", "commonest label of each word, F1", "training s"]
    keep("conll2002", "Names in Spanish newspapers", (__doc__ or "") + "\n" + table(heads, rows), facts, {"runs": runs})


def row_of(run: dict[str, object]) -> list[object]:
    """A line of the table."""
    metrics, baseline = json.loads(json.dumps([run["metrics"], run["baseline"]]))
    f1, precision, recall = (metrics[name] for name in FIGURES)
    low, high = f1["interval"]
    return [
        run["run"], f"{100 * f1['value']:.1f} ({100 * low:.1f}–{100 * high:.1f})", f"{100 * precision['value']:.1f} %",
        f"{100 * recall['value']:.1f} %", f"{100 * baseline['most_frequent_label']['entity_f1']:.1f}",
        f"{float(str(run['seconds'])):.0f}",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
