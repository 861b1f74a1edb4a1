"""What scripts get: the same keys, always."""

import json
from pathlib import Path

import pytest

from tests.cli.snapshot import assert_snapshot, shape_of
from tests.data.drawing import class_folders
from tests.harness import FIXED, Answer, as_options, capas_here

TINY = as_options({**FIXED, "train.epochs": 1})


def shown(answer: Answer) -> object:
    assert answer.code == 0, answer.err
    return answer.json


def test_look(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = class_folders(tmp_path / "data", cats=12, dogs=12)
    (root / "cats" / "broken.png").write_text("")
    assert_snapshot("json-look", shape_of(shown(capas_here(capsys, "look", root, "--json", *TINY))))


def test_look_when_nothing_can_be_learnt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = shown(capas_here(capsys, "look", class_folders(tmp_path / "data", cats=5), "--json"))
    assert isinstance(found, dict) and found["training_seconds"] is None
    assert "error" in {problem["severity"] for problem in found["problems"]}


def test_train_and_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = class_folders(tmp_path / "data", cats=20, dogs=20)
    trained = capas_here(capsys, "train", data, "--out", "run", "--json", *TINY)
    assert trained.err == "", "only JSON, and that on standard output"
    assert_snapshot("json-train", shape_of(shown(trained)))
    tested = shown(capas_here(capsys, "test", "run", "--json"))
    assert_snapshot("json-test", shape_of(tested))
    assert isinstance(tested, dict) and isinstance(shown(trained), dict)
    assert tested["metrics"] == trained.json["metrics"]  # type: ignore[index]
    other = shown(
        capas_here(
            capsys, "test", "run", "--data", class_folders(tmp_path / "other", seed=500, cats=6, dogs=6), "--json"
        )
    )
    assert isinstance(other, dict) and other.keys() == tested.keys()
    assert other["metrics"]["accuracy"]["n"] == 12
    again = shown(capas_here(capsys, "test", "run", "--data", data, "--json"))
    assert isinstance(again, dict)
    assert again["metrics"]["accuracy"]["n"] == tested["metrics"]["accuracy"]["n"], "pictures learnt from are left out"


@pytest.mark.parametrize(
    ("task", "key"), [("fly", "unknown_task"), ("regress", "target_is_no_number"), ("translate", "task_not_of_data")]
)
def test_a_task_that_is_not_to_be_had_is_named(
    task: str, key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = class_folders(tmp_path / "data", cats=4, dogs=4)
    assert capas_here(capsys, "look", data, "--task", task, "--json").json["error"] == key  # type: ignore[index]


def test_a_resumed_run_says_what_a_trained_one_says(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    run = shutil.copytree(finished_run, tmp_path / "run")
    (run / "metrics.json").unlink()
    assert_snapshot("json-train", shape_of(shown(capas_here(capsys, "resume", run, "--json"))))


def test_predict(finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = class_folders(tmp_path / "data", cats=1) / "cats" / "0.png"
    (tmp_path / "bad.png").write_text("x")
    answer = capas_here(capsys, "predict", finished_run, good, tmp_path / "bad.png", "--json", "--top", "2")
    answers = shown(answer)
    assert isinstance(answers, list) and len(answers[0]["probabilities"]) == 2
    assert_snapshot(
        "json-predict", shape_of(answers[0]["probabilities"] and {**answers[0], "probabilities": {"CLASS": 0.5}})
    )
    assert_snapshot("json-predict-refused", shape_of(answers[1]))
    assert answers[0].keys() == answers[1].keys() and "1 of 2" in answer.err


def test_export(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = shown(capas_here(capsys, "export", finished_run, "--out", "m.onnx", "--json"))
    assert_snapshot("json-export", shape_of(found))
    assert Path("m.onnx").is_file() and Path("m.json").is_file()


@pytest.mark.parametrize("verb", ["networks", "samples", "doctor"])
def test_lists(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert_snapshot(f"json-{verb}", shape_of(shown(capas_here(capsys, verb, "--json"))))


def test_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["look", "nowhere"], ["train", "nowhere"], ["test", "nowhere"], ["predict", "nowhere", "x"]):
        said = capas_here(capsys, *words, "--json")
        assert said.code == 2 and said.err == ""
        assert_snapshot("json-error", shape_of(said.json))
        assert json.loads(said.out)["where"] == "nowhere"
