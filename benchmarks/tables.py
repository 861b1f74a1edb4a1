"""Tables: the default model beside scikit-learn's defaults, on public tables with a hidden part.

``$CAPAS_DATA/tables`` holds nine tables, each with the rows to learn from and the rows to test on; five more come with
scikit-learn and mlxtend, a quarter of their rows drawn for the test. Capas gets the rows and the name of the target, as
``capas train`` would, and keeps rows for validation from those it learns from. The rivals learn from all of them:

- linear: logistic regression with C from cross-validation (``LogisticRegressionCV``), or ``RidgeCV``, on standardised
  numbers and one-hot categories;
- forest: ``RandomForestClassifier`` or ``RandomForestRegressor`` with its defaults, on the same columns;
- boosting: ``HistGradientBoosting`` with its defaults, on the same columns, gaps left as they are.

Three runs of each with other seeds. A row's error is 1 for a
wrong class, or the distance in the target's unit, averaged over the runs; "better" and "worse" are
differences to the best rival whose 95 % interval (10,000 paired bootstrap samples of rows) does not hold 0.
"""

import csv
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.record import conditions, keep, table
from benchmarks.trained import given
from capas.data.inspect.report import DatasetReport
from capas.data.tabular.preprocess import TabularPreprocessing, one_hot_columns
from capas.engine.plan import config_for_data, look_at
from capas.engine.train import train

SEEDS = (1, 2, 3)
OFFICIAL = {
    "bike": "cnt", "concrete": "strength", "diamonds": "price", "houses_table": "price", "insurance": "charges",
    "phoneme": "nasal", "telco": "Churn", "titanic": "survived", "wine": "quality",
}  # fmt: skip
Errors = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Errors of each model by row of the test, and seconds, of one run."""

    errors: Mapping[str, Errors]
    seconds: Mapping[str, float]


def official(name: str, folder: Path) -> Path:
    """One of the nine, as one table whose first column says which rows are for the test."""
    path = folder / f"{name}.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        for part in ("train", "test"):
            with given("tables", name, f"{part}.csv").open(encoding="utf-8", newline="") as source:
                heads, *rows = csv.reader(source)
            if part == "train":
                writer.writerow(["split", *heads])
            writer.writerows([part, *row] for row in rows)
    return path


def drawn(name: str, folder: Path) -> Path:
    """One of the packages' own, a quarter of its rows for the test."""
    heads, rows = PACKAGED[name]()
    side = np.random.default_rng(0).choice(["train", "test"], len(rows), p=[0.75, 0.25])
    path = folder / f"{name}.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["split", *heads])
        writer.writerows([part, *row] for part, row in zip(side, rows, strict=True))
    return path


def _of_sklearn(name: str, target: str, names: bool) -> Callable[[], tuple[list[str], list[list[object]]]]:
    def read() -> tuple[list[str], list[list[object]]]:
        from sklearn import datasets

        data: Any = getattr(datasets, f"load_{name}")()
        answers = [data.target_names[i] for i in data.target] if names else data.target
        columns = [str(head).replace(" ", "_") for head in data.feature_names]
        return [*columns, target], [[*row, y] for row, y in zip(data.data, answers, strict=True)]

    return read


def _cars() -> tuple[list[str], list[list[object]]]:
    from mlxtend.data import autompg_data

    heads = ["cylinders", "displacement", "horsepower", "weight", "acceleration", "year", "origin", "economy_mpg"]
    origins = {1: "USA", 2: "Europe", 3: "Japan"}
    inputs, targets = autompg_data()
    return heads, [[*row[:6], origins[int(row[6])], y] for row, y in zip(inputs, targets, strict=True)]


PACKAGED: Mapping[str, Callable[[], tuple[list[str], list[list[object]]]]] = {
    "iris": _of_sklearn("iris", "species", True),
    "cancer": _of_sklearn("breast_cancer", "diagnosis", True),
    "digits": _of_sklearn("digits", "digit", False),
    "diabetes": _of_sklearn("diabetes", "progression", False),
    "cars": _cars,
}
DRAWN = {"iris": "species", "cancer": "diagnosis", "digits": "digit", "diabetes": "progression",
                    "cars": "economy_mpg"}  # fmt: skip


def rivals(numbers: bool, seed: int) -> dict[str, Any]:
    """scikit-learn's models by name."""
    from sklearn import ensemble, linear_model

    if numbers:
        return {
            "linear": linear_model.RidgeCV(alphas=np.logspace(-2, 3, 6)),
            "forest": ensemble.RandomForestRegressor(random_state=seed, n_jobs=2),
            "boosting": ensemble.HistGradientBoostingRegressor(random_state=seed),
        }
    return {
        "linear": linear_model.LogisticRegressionCV(Cs=7, cv=5, max_iter=1000, n_jobs=2),
        "forest": ensemble.RandomForestClassifier(random_state=seed, n_jobs=2),
        "boosting": ensemble.HistGradientBoostingClassifier(random_state=seed),
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """Capas' model, and what the rivals get.

    Attributes:
        report: The dataset.
        learn: Examples that may be learnt from, those for validation included.
        test: Examples of the test.
        predictions: What Capas says of these, as it stands in its file.
        seconds: What it took.
    """

    report: DatasetReport
    learn: Sequence[int]
    test: Sequence[int]
    predictions: Sequence[str]
    seconds: float


def train_capas(path: Path, out: Path, **settings: object) -> Trained:
    """Train with everything at its default but ``settings``."""
    config = config_for_data(str(path), {name.replace("__", "."): value for name, value in settings.items()})
    report = look_at(config)
    started = time.perf_counter()
    assert train(config, out=out) is not None
    seconds = time.perf_counter() - started
    with (out / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        _, *rows = csv.reader(stream)
    predictions = {row[0]: row[2] for row in rows}
    used = [i for i, usable in enumerate(report.usable) if usable]
    test = [i for i in used if report.split[i] == "test"]
    return Trained(
        report=report, learn=[i for i in used if report.split[i] != "test"], test=test, seconds=seconds,
        predictions=[predictions[report.inputs.name(i)] for i in test],
    )  # fmt: skip


def run(path: Path, target: str, seed: int, out: Path) -> Measured:
    """Train Capas' model and all rivals on the rows of ``path``, and test them on the others."""
    trained = train_capas(path, out, data__target=target, train__seed=seed)
    report, learn, test = trained.report, trained.learn, trained.test
    numbers, seconds = report.detection.spec.task == "regress", {"capas": trained.seconds}
    inputs: Any = report.inputs
    encoding = TabularPreprocessing.fit(inputs.take(learn).columns)
    x = {}
    for part, indices in (("learn", learn), ("test", test)):
        encoded = encoding.encode_columns(inputs.take(indices).columns, len(indices))
        x[part] = one_hot_columns(encoded, encoding).numpy()
        x[f"{part} with gaps"] = np.concatenate([encoded.numbers.numpy(), x[part][:, 2 * encoding.numbers :]], axis=1)
    y = {part: np.array([_value(report.labels[i]) for i in indices]) for part, indices in
         (("learn", learn), ("test", test))}  # fmt: skip
    classes = report.detection.spec.classes
    found = {"capas": np.array([float(p) if numbers else classes.index(p) for p in trained.predictions])}
    for name, model in rivals(numbers, seed).items():
        gaps = " with gaps" if name == "boosting" else ""
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found[name] = model.fit(x[f"learn{gaps}"], y["learn"]).predict(x[f"test{gaps}"])
        seconds[name] = time.perf_counter() - started
    errors = {name: np.abs(p - y["test"]) if numbers else (p != y["test"]).astype(float) for name, p in found.items()}
    return Measured(errors=errors, seconds=seconds)


def _value(label: object) -> float:
    assert isinstance(label, int | float | tuple)
    return float(label[0]) if isinstance(label, tuple) else float(label)


def difference(ours: Errors, theirs: Errors) -> tuple[float, float, float]:
    """Mean of ours − theirs and its 95 % interval."""
    apart = ours - theirs
    rng = np.random.default_rng(0)
    draws = [apart[rng.integers(len(apart), size=len(apart))].mean() for _ in range(10_000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(apart.mean()), float(low), float(high)


def compared(runs: Sequence[Measured]) -> dict[str, Any]:
    """Mean error of each model, and how the first compares with the best of the others."""
    errors = {name: np.mean([run.errors[name] for run in runs], axis=0) for name in runs[0].errors}
    means = {name: float(error.mean()) for name, error in errors.items()}
    best = min((name for name in means if name != "capas"), key=lambda name: means[name])
    apart, low, high = difference(errors["capas"], errors[best])
    verdict = "better" if high < 0 else "worse" if low > 0 else "alike"
    seconds = {name: float(np.median([run.seconds[name] for run in runs])) for name in means}
    return {"errors": means, "best_rival": best, "difference": [apart, low, high], "verdict": verdict,
            "seconds": seconds, "rows": len(runs[0].errors["capas"])}  # fmt: skip


def main() -> None:
    """All tables."""
    torch.set_num_threads(2)
    facts = conditions("tables")
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title in (*OFFICIAL, *PACKAGED):
            path = official(title, folder) if title in OFFICIAL else drawn(title, folder)
            target = {**OFFICIAL, **DRAWN}[title]
            measured[title] = compared([run(path, target, seed, folder / f"{title}-{seed}") for seed in SEEDS])
            print(title, measured[title], flush=True)
    rows = []
    for title, found in measured.items():
        error = found["errors"]
        scale, digits = (100, 1) if max(error.values()) <= 1 else (1, 3 if max(error.values()) < 10 else 1)
        shown = [f"{scale * error[model]:.{digits}f}" for model in ("capas", "linear", "forest", "boosting")]
        apart = " to ".join(f"{scale * edge:.{digits}f}" for edge in found["difference"][1:])
        clock = " / ".join(f"{found['seconds'][model]:.1f}" for model in ("capas", "linear", "forest", "boosting"))
        rows.append([title, found["rows"], f"**{shown[0]}**", *shown[1:], apart, found["verdict"], clock])
    heads = ["table", "test rows", "Capas", "linear", "forest", "boosting", "to the best rival", "", "seconds"]
    counts = {
        kind: sum(found["verdict"] == kind for found in measured.values()) for kind in ("better", "alike", "worse")
    }
    text = (__doc__ or "") + "\nErrors: percent of wrong classes, or mean distance in the target's unit.\n\n" + table(
        heads, rows) + "\n\n" + ", ".join(f"{kind} {count}" for kind, count in counts.items())  # fmt: skip
    keep("tables", "Tables", text, facts, measured)


if __name__ == "__main__":
    main()
