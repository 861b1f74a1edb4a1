"""cleanlab's Datalab and deepchecks on a planted set, with plain features and a linear model, as in their tutorials.

Imports nothing of ours: it runs in the peers' own environments, of which each has one of the two: they want different
versions of NumPy. Called with the peer's name and JSON {"medium", "data", "target"}; the last line that it prints is
JSON {issue or check: count}, with what the peer reports of the set.
"""

import contextlib
import io
import json
import sys
import warnings
import wave
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")
SIDE, BANDS, STRETCHES = 14, 32, 8


def read_table(where: Path, target: str) -> tuple[pd.DataFrame, pd.Series, list[str]]:
    """Columns, target and part of each row; one table has no parts."""
    files = [where] if where.is_file() else [where / f"{part}.csv" for part in ("train", "validation", "test")]
    frames = [pd.read_csv(file) for file in files if file.exists()]
    parts = [file.stem for file, frame in zip(files, frames, strict=True) for _ in range(len(frame))]
    whole = pd.concat(frames, ignore_index=True)
    return whole.drop(columns=[target]), whole[target], parts if len(frames) > 1 else []


def read_files(where: Path, medium: str) -> tuple[np.ndarray, list[str]]:
    """Features and classes of pictures or sounds, those for training first."""
    order = {"train": 0, "validation": 1, "test": 2}
    found = where.rglob("*.wav" if medium == "sound" else "*.png")
    paths = sorted(path for path in found if "masks" not in path.parts)
    paths.sort(key=lambda path: order.get(path.relative_to(where).parts[0], 0))
    rows = [sound_features(path) if medium == "sound" else picture_features(path) for path in paths]
    return np.stack(rows), [path.parent.name for path in paths]


def picture_features(path: Path) -> np.ndarray:
    """The pixels at 14×14."""
    with Image.open(path) as image:
        small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
        return np.asarray(small, dtype=float).ravel() / 255


def sound_features(path: Path) -> np.ndarray:
    """Log energies of 32 bands in eight stretches."""
    with wave.open(str(path)) as stream:
        samples = np.frombuffer(stream.readframes(stream.getnframes()), dtype="<i2") / 32768
    stretches = np.array_split(samples, STRETCHES)
    spectra = [np.abs(np.fft.rfft(part, 512))[:256] ** 2 for part in stretches]
    return np.log(np.stack([one.reshape(BANDS, -1).sum(1) for one in spectra]) + 1e-6).ravel()


def table_features(columns: pd.DataFrame, medium: str) -> np.ndarray:
    """Numbers as they are, categories one-hot, texts as tf-idf."""
    if medium == "text":
        return TfidfVectorizer(max_features=1000).fit_transform(columns["text"]).toarray()
    numbers = columns.select_dtypes("number")
    others = columns.drop(columns=numbers.columns)
    others = others[[name for name in others if others[name].nunique() <= 40]]
    both = pd.concat([numbers, pd.get_dummies(others, dtype=float)], axis=1) if len(others.columns) else numbers
    return both.fillna(both.median()).to_numpy(dtype=float)


def datalab(features: np.ndarray, labels: pd.Series | list[str]) -> dict[str, int]:
    """How many examples each issue names; sets without a class or number are looked at without labels."""
    from cleanlab import Datalab

    values = pd.Series(labels)
    scaled = StandardScaler().fit_transform(features)
    if pd.api.types.is_float_dtype(values) or (pd.api.types.is_integer_dtype(values) and values.nunique() > 20):
        predictions = cross_val_predict(Ridge(), scaled, values, cv=5)
        lab = Datalab({"y": values.to_numpy()}, label_name="y", task="regression")
        lab.find_issues(features=scaled, pred_probs=predictions)
    elif values.nunique() > 1:
        model = LogisticRegression(max_iter=300)
        codes = values.astype("category").cat.codes.to_numpy()
        probabilities = cross_val_predict(model, scaled, codes, cv=5, method="predict_proba")
        lab = Datalab({"y": codes}, label_name="y", task="classification")
        lab.find_issues(features=scaled, pred_probs=probabilities)
    else:
        lab = Datalab({"x": list(range(len(features)))})
        lab.find_issues(features=scaled)
    summary = lab.get_issue_summary()
    return {row.issue_type: int(row.num_issues) for row in summary.itertuples() if row.num_issues > 0}


def deepchecks(columns: pd.DataFrame, target: pd.Series, parts: list[str]) -> dict[str, int]:
    """The checks that do not pass: integrity, training against test, and the evaluation of a linear model."""
    from deepchecks.tabular import Dataset
    from deepchecks.tabular.suites import data_integrity, model_evaluation, train_test_validation

    rng = np.random.default_rng(0)
    test = np.array([part == "test" for part in parts]) if parts else rng.random(len(columns)) < 0.25
    whole = columns.assign(**{str(target.name): target})
    dates = [
        name for name in columns if columns[name].dtype == object and columns[name].str.match(r"\d{4}-\d\d-\d\d").all()
    ]
    for name in dates:
        whole[name] = pd.to_datetime(whole[name])
    about = {"label": str(target.name), "datetime_name": dates[0] if dates else None,
             "cat_features": [n for n in columns if columns[n].dtype == object and n not in dates]}  # fmt: skip
    train_set, test_set = Dataset(whole[~test], **about), Dataset(whole[test], **about)
    failed: dict[str, int] = {}
    for suite in (data_integrity(), train_test_validation()):
        found = suite.run(train_set, test_set) if suite.name != "Data Integrity Suite" else suite.run(train_set)
        failed |= {one.check.name(): 1 for one in found.get_not_passed_checks()}
    numbers = columns.select_dtypes("number").columns.tolist()
    if numbers:
        filled = whole[numbers].fillna(whole[numbers].median()).assign(**{str(target.name): target})
        regression = pd.api.types.is_float_dtype(target)
        model = make_pipeline(StandardScaler(), Ridge() if regression else LogisticRegression(max_iter=300))
        model.fit(filled.loc[~test, numbers], filled.loc[~test, str(target.name)])
        pair = [Dataset(filled[rows], label=str(target.name), cat_features=[]) for rows in (~test, test)]
        found = model_evaluation().run(*pair, model)
        failed |= {one.check.name(): 1 for one in found.get_not_passed_checks()}
    return failed


def main() -> None:
    """Examine one set."""
    peer, task = sys.argv[1], json.loads(sys.argv[2])
    where = Path(task["data"])
    with contextlib.redirect_stdout(io.StringIO()):
        if task["medium"] in ("table", "text"):
            columns, target, parts = read_table(where, task["target"])
            if peer == "deepchecks":
                said = deepchecks(columns, target, parts)
            else:
                said = datalab(table_features(columns, task["medium"]), target)
        elif where.is_file():
            frame = pd.read_csv(where)
            features = np.stack([picture_features(where.parent / name) for name in frame["file"]])
            said = datalab(features, frame[task["target"]])
        else:
            features, labels = read_files(where, task["medium"])
            said = datalab(features, ["–"] * len(labels) if task["medium"] == "mask" else labels)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
