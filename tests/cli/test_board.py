"""``capas board``: what train and test file there, and what may be compared."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.snapshot import assert_snapshot, shape_of
from tests.data.drawing import class_folders
from tests.harness import FIXED, Answer, as_options, capas_here

Capture = pytest.CaptureFixture[str]
TINY = as_options({**FIXED, "train.epochs": 1})


@pytest.fixture(autouse=True)
def own_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board that no other test writes to."""
    monkeypatch.setenv("CAPAS_BOARD", str(tmp_path / "board.sqlite"))
    return tmp_path / "board.sqlite"


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two models of the same data, so that they may be ranked."""
    from tests.harness import train_here

    folder = tmp_path_factory.mktemp("board")
    data = class_folders(folder / "animals", cats=20, dogs=20)
    settings = {**FIXED, "train.epochs": 1}
    return (
        train_here(data, folder / "first", settings),
        train_here(data, folder / "second", {**settings, "train.seed": 7}),
    )


def lines(answer: Answer) -> list[dict[str, object]]:
    """All lines of ``capas board --json``."""
    assert answer.code == 0, answer.err
    return [line for contest in answer.json for line in contest["lines"]]  # type: ignore[attr-defined]


def error_of(answer: Answer) -> str:
    assert answer.code == 2 and "Traceback" not in answer.err
    found = answer.json
    assert isinstance(found, dict)
    return str(found["error"])


def test_an_empty_board_says_how_it_is_filled(capsys: Capture, own_board: Path) -> None:
    for words in ([], ["show"]):
        said = capas_here(capsys, "board", *words)
        assert said.code == 0 and said.out == "" and "capas train" in said.err
    assert capas_here(capsys, "board", "show", "--json").json == [] and not own_board.exists()


def test_train_and_test_file_their_results(tmp_path: Path, capsys: Capture) -> None:
    data = class_folders(tmp_path / "animals", cats=20, dogs=20)
    trained = capas_here(capsys, "train", data, "--out", "run", "--json", *TINY)
    assert trained.code == 0 and trained.err == ""
    shown = capas_here(capsys, "board", "show", "--all", "--json")
    (accuracy,) = [line for line in lines(shown) if line["metric"] == "accuracy"]
    figure = trained.json["metrics"]["accuracy"]  # type: ignore[index]
    assert accuracy["value"] == figure["value"] and [accuracy["low"], accuracy["high"]] == figure["interval"]
    assert accuracy["split"] == "test" and accuracy["seed"] is not None and accuracy["rank"] == 1
    assert_snapshot("json-board", shape_of(shown.json))
    other = class_folders(tmp_path / "other", seed=500, cats=6, dogs=6)
    assert capas_here(capsys, "test", "run", "--data", other).code == 0
    found = lines(capas_here(capsys, "board", "show", "--metric", "accuracy", "--json"))
    assert {line["split"] for line in found} == {"test", "all"} and {line["data"] for line in found} == {
        "animals",
        "other",
    }
    assert len(lines(capas_here(capsys, "board", "show", "--data", "other", "--json"))) == 1
    assert lines(capas_here(capsys, "board", "show", "--task", "regress", "--json")) == []


def test_runs_on_the_same_test_are_ranked_and_added_once(two_runs: tuple[Path, Path], capsys: Capture) -> None:
    for run in two_runs:
        assert capas_here(capsys, "board", "add", run, "--json").json["new"] > 0  # type: ignore[index]
    assert capas_here(capsys, "board", "add", two_runs[0], "--json").json["new"] == 0  # type: ignore[index]
    found = lines(capas_here(capsys, "board", "show", "--json"))
    assert len(found) == 2 and found[0]["value"] >= found[1]["value"]  # type: ignore[operator]
    shown = capas_here(capsys, "board")
    assert "animals · classify" in shown.out and "compact" in shown.out and str(found[0]["id"])[:8] in shown.out
    ids = [str(line["id"]) for line in found]
    compared = capas_here(capsys, "board", "compare", *(name[:6] for name in ids), "--json")
    assert compared.code == 0 and [line["id"] for line in compared.json["lines"]] == ids  # type: ignore[index]
    assert all(name[:8] in capas_here(capsys, "board", "compare", *ids).out for name in ids)


def test_what_may_not_be_compared_is_refused(two_runs: tuple[Path, Path], capsys: Capture) -> None:
    capas_here(capsys, "board", "add", two_runs[0])
    by_metric = {str(line["metric"]): str(line["id"]) for line in lines(capas_here(capsys, "board", "show", "--all",
                                                                                   "--json"))}  # fmt: skip
    said = capas_here(capsys, "board", "compare", by_metric["accuracy"], by_metric["log_loss"])
    assert said.code == 2 and "differ in metric" in said.err and said.out == ""
    assert error_of(capas_here(capsys, "board", "compare", "zzzz", "--json")) == "board_no_such_line"
    assert error_of(capas_here(capsys, "board", "remove", "zzzz", "--json")) == "board_no_such_line"
    assert error_of(capas_here(capsys, "board", "add", "nowhere", "--json")) == "no_such_run"


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_a_board_goes_out_and_in_again(suffix: str, two_runs: tuple[Path, Path], capsys: Capture,
                                       monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    for run in two_runs:
        capas_here(capsys, "board", "add", run)
    before = lines(capas_here(capsys, "board", "show", "--all", "--json"))
    written = capas_here(capsys, "board", "export", f"all{suffix}", "--json").json
    assert written == {"path": f"all{suffix}", "lines": len(before)}
    monkeypatch.setenv("CAPAS_BOARD", "another.sqlite")
    first = capas_here(capsys, "board", "import", f"all{suffix}", "--json").json
    again = capas_here(capsys, "board", "import", f"all{suffix}", "--json").json
    assert [first, again] == [{"lines": len(before), "new": len(before)}, {"lines": len(before), "new": 0}]
    after = lines(capas_here(capsys, "board", "show", "--all", "--json"))
    assert sorted(after, key=str) == sorted(before, key=str)


def test_a_page_and_other_forms(two_runs: tuple[Path, Path], capsys: Capture) -> None:
    capas_here(capsys, "board", "add", two_runs[0])
    said = capas_here(capsys, "board", "export", "board.html")
    page = Path("board.html").read_text(encoding="utf-8")
    assert said.code == 0 and "board.html" in said.err and "animals" in page and "http" not in page
    assert error_of(capas_here(capsys, "board", "export", "board.xlsx", "--json")) == "board_format"
    assert error_of(capas_here(capsys, "board", "import", "nowhere.csv", "--json")) == "no_such_path"
    Path("bad.json").write_text(json.dumps([{"task": "classify"}]))
    assert error_of(capas_here(capsys, "board", "import", "bad.json", "--json")) == "board_import"
    removed = [str(line["id"]) for line in lines(capas_here(capsys, "board", "show", "--all", "--json"))]
    assert capas_here(capsys, "board", "remove", *removed, "--json").json == {"removed": len(removed)}
    assert lines(capas_here(capsys, "board", "show", "--all", "--json")) == []


def test_a_broken_board_stops_neither_training_nor_test(tmp_path: Path, own_board: Path, capsys: Capture) -> None:
    own_board.write_text("this is no database" * 100)
    data = class_folders(tmp_path / "animals", cats=20, dogs=20)
    trained = capas_here(capsys, "train", data, "--out", "run", *TINY)
    assert trained.code == 0 and "could not be added to the board" in trained.err and "Tested once" in trained.out
    other = class_folders(tmp_path / "other", seed=500, cats=6, dogs=6)
    tested = capas_here(capsys, "test", "run", "--data", other)
    assert tested.code == 0 and "could not be added to the board" in tested.err and "this model" in tested.out
    for words in (["show"], ["add", "run"], ["export", "x.csv"]):
        assert error_of(capas_here(capsys, "board", *words, "--json")) == "board_unreadable"
    assert own_board.read_text().startswith("this is no database"), "it is left as it was"


def test_a_run_that_is_moved_keeps_its_line(two_runs: tuple[Path, Path], tmp_path: Path, capsys: Capture) -> None:
    capas_here(capsys, "board", "add", two_runs[0])
    moved = shutil.copytree(two_runs[0], tmp_path / "moved")
    assert capas_here(capsys, "board", "add", moved, "--json").json["new"] == 0  # type: ignore[index]
