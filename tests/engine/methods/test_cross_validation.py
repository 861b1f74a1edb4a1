"""Cross-validation of tiny data: every example tested once, what belongs together never divided."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import capas
from capas.engine.methods import cross_validation
from capas.engine.methods.cross_validation import fold_numbers
from capas.engine.run import find_run
from tests.harness import FIXED

ROWS = 40


@pytest.fixture
def tiny_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_validation, "MIN_TEST", 20)


def pictures(folder: Path, *, each: int = ROWS // 2) -> Path:
    """Two classes, dark and light pictures of 8 × 8 pixels."""
    rng = np.random.default_rng(3)
    for name, light in (("dark", 60), ("light", 160)):
        (folder / name).mkdir(parents=True)
        for i in range(each):
            drawn = rng.integers(light - 40, light + 40, (8, 8)).astype(np.uint8)
            Image.fromarray(drawn).save(folder / name / f"{i}.png")
    return folder


def listed(folder: Path, **columns: Callable[[int], str]) -> Path:
    """The same as a table of files, with further columns by row number."""
    files = sorted(pictures(folder / "files").rglob("*.png"))
    rows = [",".join([str(path.relative_to(folder)), *(of(i) for of in columns.values())]) for i, path in
            enumerate(files)]  # fmt: skip
    path = folder / "list.csv"
    path.write_text("\n".join([",".join(["file", *columns]), *rows]))
    return path


def metrics(run: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(find_run(run).metrics.read_text())
    return found


def settings(**more: object) -> dict[str, object]:
    return {**FIXED, "train.epochs": 1, **more}


def test_folds_are_even_in_classes_and_keep_groups_together() -> None:
    labels = ["a"] * 30 + ["b"] * 20
    groups = [str(i // 2) for i in range(50)]
    folds = fold_numbers(labels, groups, "classify")
    assert sorted(set(folds.tolist())) == [0, 1, 2, 3, 4]
    for pair in range(25):
        assert folds[2 * pair] == folds[2 * pair + 1]
    for fold in range(5):
        assert 4 <= sum(labels[i] == "a" for i in np.flatnonzero(folds == fold)) <= 8


@pytest.mark.parametrize("task", ["classify", "regress", "tag"])
def test_two_groups_make_two_folds_and_one_group_none_that_differ(task: str) -> None:
    assert set(fold_numbers(["a", "b"] * 5, ["x"] * 5 + ["y"] * 5, task).tolist()) == {0, 1}
    assert set(fold_numbers(["a", "b"] * 5, ["x"] * 10, task).tolist()) == {0}


def test_every_picture_of_a_small_folder_is_tested_once(tmp_path: Path, tiny_counts: None) -> None:
    result = capas.train(pictures(tmp_path / "data"), out=tmp_path / "run", settings=settings())
    assert result is not None and result.test_result.n < 20
    held = metrics(tmp_path / "run")["cross_validation"]
    assert isinstance(held, dict)
    assert held["metric"] == "accuracy" and held["n"] == ROWS and len(held["folds"]) == 5
    figure = held["figure"]
    assert figure["n"] == ROWS and figure["interval"][0] <= figure["value"] <= figure["interval"][1]
    assert figure["value"] == pytest.approx(sum(held["folds"]) / 5)  # folds of eight each
    assert result.as_json()["cross_validation"] == held


def test_numbers_have_their_unit_and_no_interval(tmp_path: Path, tiny_counts: None) -> None:
    data = listed(tmp_path / "data", metres=lambda i: f"{i / 7:.2f}")
    capas.train(data, out=tmp_path / "run", settings=settings(**{"data.target": "metres"}))
    held = metrics(tmp_path / "run")["cross_validation"]
    assert isinstance(held, dict) and held["metric"].startswith("mae")
    assert held["figure"]["n"] == ROWS and "interval" not in held["figure"]
    assert min(held["folds"]) <= held["figure"]["value"] <= max(held["folds"])


def test_no_folds_where_the_test_is_large_the_user_declines_or_the_data_lay_down_the_test(
    tmp_path: Path, tiny_counts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pictures(tmp_path / "data")
    capas.train(data, out=tmp_path / "declined", settings=settings(**{"train.cross_validate": False}))
    split = listed(
        tmp_path / "split", kind=lambda i: "ab"[i % 3 == 0], split=lambda i: "test" if i % 4 == 0 else "train"
    )
    capas.train(split, out=tmp_path / "laid", settings=settings(**{"data.target": "kind"}))
    monkeypatch.setattr(cross_validation, "MIN_TEST", 3)
    capas.train(data, out=tmp_path / "enough", settings=settings())
    for run in ("declined", "laid", "enough"):
        assert "cross_validation" not in metrics(tmp_path / run), run


def test_a_fold_that_cannot_be_trained_loses_no_run(
    tmp_path: Path, tiny_counts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(cross_validation, "_trained_and_tested", failing)
    result = capas.train(pictures(tmp_path / "data"), out=tmp_path / "run", settings=settings())
    assert result is not None and find_run(tmp_path / "run").finished
    found = metrics(tmp_path / "run")
    assert "cross_validation" not in found and found["cross_validation_failed"] == "out of memory"


def test_data_that_all_belong_together_have_no_folds(
    tmp_path: Path, tiny_counts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_validation, "fold_numbers", lambda labels, groups, task: np.zeros(len(labels), int))
    capas.train(pictures(tmp_path / "data"), out=tmp_path / "run", settings=settings())
    assert "cross_validation" not in metrics(tmp_path / "run")
