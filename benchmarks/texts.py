"""Texts: the default model beside scikit-learn's usual ones, with a hidden part.

- Debian: one-line descriptions of packages and their section, the 12 commonest (``apt-cache dumpavail``): 1,500 and
  6,000 packages.
- Debian in short: names of packages and their section.
- Reuters-21578 (``$CAPAS_DATA/reuters``), ModApte: texts with one topic, the 8 commonest; and all 90 topics as tags.

Capas gets the texts and labels, as ``capas train`` would, and keeps texts for validation from those it learns from.
The rivals learn from all of them: tf-idf of words with logistic regression, its C chosen by cross-validation; tf-idf of
words and pairs of words, and of groups of 2 to 5 letters, with a linear support vector machine (``LinearSVC``), both at
their defaults but for sublinear counts.

Three runs with other seeds. A text's error is 1 for a wrong class (for tags, the share of the 90 decided wrongly;
the table has micro-F1 as well), averaged over the runs; "better" and "worse" are differences to the best rival whose
95 % interval (10,000 paired bootstrap samples of texts) does not hold 0.
"""

import json
import random
import re
import subprocess
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.record import conditions, keep, table
from benchmarks.tables import Errors, Measured, compared, train_capas
from benchmarks.trained import given

SEEDS = (1, 2, 3)
Rows = list[tuple[str, str, str]]  # text, label, split


def debian(kind: str, count: int) -> Callable[[], Rows]:
    """Packages and their sections, a third for the test."""

    def read() -> Rows:
        available = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
        rows = {}
        for stanza in available.split("\n\n"):
            found = [re.search(rf"^{name}: (.*(?:\n .*)*)", stanza, re.M) for name in
                     ("Package", "Section", "Description(?:-en)?")]  # fmt: skip
            if all(found):
                package, section, text = (one.group(1) for one in found if one)
                words = {"name": package, "line": text.partition("\n")[0]}
                rows[words[kind]] = section.partition("/")[2] or section
        usual = {section for section, _ in Counter(rows.values()).most_common(12)}
        chosen = [row for row in rows.items() if row[1] in usual]
        random.Random(0).shuffle(chosen)
        return [(*row, "test" if i % 3 == 0 else "train") for i, row in enumerate(chosen[:count])]

    return read


def reuters(one_topic: bool) -> Callable[[], Rows]:
    """Newspaper texts and topics, split as published."""

    def read() -> Rows:
        rows = []
        with zipfile.ZipFile(given("reuters", "reuters.zip")) as archive:
            for line in archive.read("cats.txt").decode("latin-1").splitlines():
                name, *topics = line.split()
                text = archive.read(name).decode("latin-1")
                rows.append((text, ";".join(topics), "test" if name.startswith("test") else "train"))
        if not one_topic:
            return rows
        usual = [topic for topic, _ in Counter(row[1] for row in rows if ";" not in row[1]).most_common(8)]
        return [row for row in rows if row[1] in usual]

    return read


SETS: dict[str, Callable[[], Rows]] = {
    "Debian, lines, 1,500": debian("line", 1500),
    "Debian, lines, 6,000": debian("line", 6000),
    "Debian, names, 4,000": debian("name", 4000),
    "Reuters, one topic": reuters(True),
    "Reuters, 90 tags": reuters(False),
}


def rivals(tags: bool) -> dict[str, Any]:
    """scikit-learn's models by name."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    words = TfidfVectorizer(sublinear_tf=True)
    both = make_union(
        TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)),
        TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 5)),
    )
    if tags:
        return {
            "words, logistic": make_pipeline(
                words, OneVsRestClassifier(LogisticRegression(C=10, max_iter=200), n_jobs=2)
            ),
            "words and letters, SVM": make_pipeline(both, OneVsRestClassifier(LinearSVC(), n_jobs=2)),
        }
    return {
        "words, logistic": make_pipeline(words, LogisticRegressionCV(Cs=[1, 10, 100], cv=3, max_iter=200, n_jobs=2)),
        "words and letters, SVM": make_pipeline(both, LinearSVC()),
    }


def run(path: Path, seed: int, out: Path, kept: dict[str, tuple[Errors, float]]) -> tuple[Measured, dict[str, Any]]:
    """Train Capas' model, and the rivals (once: they draw nothing) on texts of ``path``; test them on the others."""
    trained = train_capas(path, out, train__seed=seed)
    report, learn, test = trained.report, trained.learn, trained.test
    tags, seconds = report.detection.spec.task == "tag", {"capas": trained.seconds}
    inputs: Any = report.inputs
    classes = report.detection.spec.classes
    truth = _table([report.labels[i] for i in test], len(classes), tags)
    named = {name: k for k, name in enumerate(classes)}
    separator = re.compile(r"\s*[;,]\s*") if tags else None
    ours = _table([tuple(named[word] for word in separator.split(text) if word in named) if separator else named[text]
                   for text in trained.predictions], len(classes), tags)  # fmt: skip
    found = {"capas": ours}
    if not kept:
        y = _table([report.labels[i] for i in learn], len(classes), tags)
        for name, model in rivals(tags).items():
            started = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                predicted = model.fit([inputs.texts[i] for i in learn], y).predict([inputs.texts[i] for i in test])
            kept[name] = (np.asarray(predicted), time.perf_counter() - started)
    found |= {name: one[0] for name, one in kept.items()}
    seconds |= {name: one[1] for name, one in kept.items()}
    wrong = {name: (p != truth).astype(float) for name, p in found.items()}
    errors = {name: error.mean(1) if tags else error for name, error in wrong.items()}
    f1 = {name: 2 * (p & truth).sum() / (p.sum() + truth.sum()) for name, p in found.items()} if tags else {}
    return Measured(errors=errors, seconds=seconds), {name: float(value) for name, value in f1.items()}


def _table(labels: Sequence[Any], classes: int, tags: bool) -> Any:
    if not tags:
        return np.array(labels)
    held = np.zeros((len(labels), classes), dtype=int)
    for row, label in enumerate(labels):
        held[row, list(label)] = 1
    return held


def main() -> None:
    """All sets."""
    torch.set_num_threads(2)
    facts = conditions("texts")
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        for number, (title, read) in enumerate(SETS.items()):
            path = Path(name) / f"{number}.jsonl"
            heads = ("text", "tags" if "tags" in title else "class", "split")
            path.write_text("".join(json.dumps(dict(zip(heads, row, strict=True))) + "\n" for row in read()), "utf-8")
            kept: dict[str, tuple[Errors, float]] = {}
            runs = [run(path, seed, Path(name) / f"{number}-{seed}", kept) for seed in SEEDS]
            measured[title] = {**compared([one for one, _ in runs]), "micro_f1": runs[0][1]}
            print(title, measured[title], flush=True)
    rows = []
    for title, found in measured.items():
        models = list(found["errors"])
        f1 = found["micro_f1"]
        shown = [f"{100 * found['errors'][model]:.1f}" + (f" (F1 {100 * f1[model]:.1f})" if f1 else "")
                 for model in models]  # fmt: skip
        apart = " to ".join(f"{100 * edge:.1f}" for edge in found["difference"][1:])
        clock = " / ".join(f"{found['seconds'][model]:.1f}" for model in models)
        rows.append([title, found["rows"], f"**{shown[0]}**", *shown[1:], apart, found["verdict"], clock])
    heads_shown = ["texts", "test", "Capas", "words, logistic", "words and letters, SVM", "to the best rival", "",
                   "seconds"]  # fmt: skip
    text = (__doc__ or "") + "\nErrors in percent.\n\n" + table(heads_shown, rows)
    keep("texts", "Texts", text, facts, measured)


if __name__ == "__main__":
    main()
