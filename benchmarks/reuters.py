"""Reuters-21578, ModApte split, 90 topics: which topics a newspaper text has.

Expected: micro-F1 ≥ 0.87 with a threshold per topic tuned on validation (a linear support vector machine: 0.86–0.87,
Joachims 1998). Everything is at its default; the test part (3,019 texts) is read once per run.
"""

import json
import tempfile
import zipfile
from pathlib import Path

from benchmarks.record import conditions, keep, table
from benchmarks.trained import figure, given, shown, train

SEEDS = (1,)


def lay_out(folder: Path) -> Path:
    """One JSON line per text: the text, its topics, its split."""
    path = folder / "reuters.jsonl"
    with zipfile.ZipFile(given("reuters", "reuters.zip")) as archive, path.open("w", encoding="utf-8") as stream:
        for line in archive.read("cats.txt").decode("latin-1").splitlines():
            name, *topics = line.split()
            text = archive.read(name).decode("latin-1")
            row = {"text": text, "topics": ";".join(topics), "split": name.partition("/")[0]}
            stream.write(json.dumps(row) + "\n")
    return path


def main() -> None:
    """A run for each of the seeds."""
    facts = conditions("reuters")
    rows, runs = [], {}
    with tempfile.TemporaryDirectory() as name:
        data = lay_out(Path(name))
        for seed in SEEDS:
            run = train(data, Path(name) / str(seed), (), "--seed", str(seed))
            runs[str(seed)] = {key: run[key] for key in ("metrics", "baseline", "seconds", "network")}
            print(json.dumps(runs[str(seed)]["metrics"]), flush=True)
            linear = run["baseline"]["tfidf_linear"]["micro_f1"]  # type: ignore[index]
            same = run["baseline"]["most_frequent_tags"]["micro_f1"]  # type: ignore[index]
            figures = [shown(figure(run, key)) for key in ("micro_f1", "macro_f1", "subset_accuracy")]
            rows.append([seed, *figures, shown(linear), shown(same), f"{run['seconds']:.0f}"])
    heads = ["seed", "micro-F1 (95 %)", "macro-F1", "all topics right", "a logistic regression per topic, at 0.5",
             "always the same topics", "training s"]  # fmt: skip
    keep("reuters", "Reuters topics", (__doc__ or "") + "\n" + table(heads, rows), facts, runs)


if __name__ == "__main__":
    main()
