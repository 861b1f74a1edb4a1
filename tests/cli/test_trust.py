"""``capas trust``, and what its report changes in ``train`` and ``predict``."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from capas.bundle.card import read_card
from capas.cli.trust_verbs import progress_detail
from capas.core.i18n import choose_language
from capas.engine.config import config_to_toml, read_config
from capas.engine.run import Run
from capas.trust.report import make_report, report_deadline
from capas.trust.theme import THEMES
from capas.trust.theme_runner import ReportProgress
from tests.cli.snapshot import assert_snapshot, shape_of
from tests.data.drawing import class_folders
from tests.harness import FIXED, Answer, as_options, capas_here, train_here
from tests.trust.bars import SMALL, made_pictures

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt something, with its quick report."""
    folder = tmp_path_factory.mktemp("reported")
    data = made_pictures(folder / "bars", 400, mark=False, content=True)
    run = train_here(data, folder / "run", {**SMALL, "train.epochs": 6})
    make_report(str(run), "quick")
    return run


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty rows, few of them for the test: a report takes a second. Copy it before changing anything in it."""
    folder, chance = tmp_path_factory.mktemp("small"), np.random.default_rng(0)
    rows = [f"{chance.normal(i % 2):.2f},{chance.normal():.2f},{('cat', 'dog')[i % 2]}" for i in range(40)]
    (folder / "rows.csv").write_text("height,length,class\n" + "\n".join(rows) + "\n")
    settings = {**FIXED, "network.name": "tabular-mlp", "train.epochs": 1, "train.cross_validate": False}
    return train_here(folder / "rows.csv", folder / "run", settings)


def refused(answer: Answer, key: str) -> None:
    assert answer.code == 2, answer
    found = answer.json
    assert isinstance(found, dict) and found["error"] == key, found


def test_the_verdict_is_printed_and_the_page_named(small_run: Path, tmp_path: Path, capsys: Capture) -> None:
    run = shutil.copytree(small_run, tmp_path / "run")
    said = capas_here(capsys, "trust", run, "--level", "quick")
    assert said.code == 0, said.err
    assert "Too few test examples (n = " in said.out, "with so few no verdict is given"
    for question in ("How good is it?", "Does a sticker fool it?", "Was the test really unseen?"):
        assert question in said.out
    assert said.out.count("not computed") >= 2, "the quick report leaves out attacks and stickers, and says so"
    page = run / "report" / "report.html"
    assert str(page) in said.out.replace("\n", "") and page.is_file()
    assert json.loads((run / "report" / "report.json").read_text())["level"] == "quick"


def test_json_is_the_report_and_nothing_else(small_run: Path, tmp_path: Path, capsys: Capture) -> None:
    run = shutil.copytree(small_run, tmp_path / "run")
    said = capas_here(capsys, "trust", run, "--level", "quick", "--json")
    assert said.code == 0 and said.err == ""
    found = said.json
    assert isinstance(found, dict) and list(found["themes"]) == list(THEMES)
    one = {"status", "facts", "findings", "not_computed_because", "untested", "partly_tested", "out_of_time", "seconds"}
    assert all(theme.keys() == one for theme in found["themes"].values())
    outline = {**found, "findings": [], "themes": {name: {} for name in THEMES}}
    assert_snapshot("json-trust", shape_of(outline))
    assert {**json.loads((run / "report" / "report.json").read_text()), "report": found["report"]} == found


def test_the_report_speaks_the_language_in_force(small_run: Path, tmp_path: Path, capsys: Capture) -> None:
    run = shutil.copytree(small_run, tmp_path / "run")
    said = capas_here(capsys, "--lang", "es", "trust", run, "--level", "quick")
    choose_language(None)
    assert said.code == 0 and "¿Acierta?" in said.out and "pictures" not in said.out
    assert '<html lang="es">' in (run / "report" / "report.html").read_text(encoding="utf-8")


def test_two_reports_side_by_side(reported: Path, tmp_path: Path, capsys: Capture) -> None:
    other = shutil.copytree(reported, tmp_path / "other")
    said = capas_here(capsys, "trust", "--compare", reported, other)
    assert said.code == 0 and "test examples no difference is shown: 0.0 points" in said.out
    shown = capas_here(capsys, "trust", "--compare", reported, other, "--json")
    assert shown.code == 0
    found = shown.json
    assert isinstance(found, dict) and found["difference"]["value"] == 0
    assert_snapshot("json-trust-compare", shape_of(found))
    _made_wrong(other / "predictions.csv")
    worse = capas_here(capsys, "trust", "--compare", reported, other)
    assert "test examples the second differs from the first by -" in worse.out and "points (95 % interval" in worse.out


def test_what_cannot_be_asked_is_refused(reported: Path, finished_run: Path, tmp_path: Path, capsys: Capture) -> None:
    refused(capas_here(capsys, "trust", "nowhere", "--json"), "no_such_run")
    (tmp_path / "empty").mkdir()
    refused(capas_here(capsys, "trust", "empty", "--json"), "not_a_run")
    refused(capas_here(capsys, "trust", reported, reported, "--json"), "trust_runs")
    refused(capas_here(capsys, "trust", "--compare", reported, "--json"), "compare_runs")
    refused(capas_here(capsys, "trust", "--compare", reported, finished_run, "--json"), "no_report")
    unknown = capas_here(capsys, "trust", reported, "--level", "thorough")
    assert unknown.code == 2 and "thorough" in unknown.err and "Traceback" not in unknown.err


def test_a_run_whose_weights_were_changed_gets_no_report(finished_run: Path, tmp_path: Path, capsys: Capture) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    weights = run / "bundle" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    refused(capas_here(capsys, "trust", run, "--json"), "bundle_altered")
    assert not (run / "report").exists()


def test_train_makes_the_report_that_was_asked_for(tmp_path: Path, capsys: Capture) -> None:
    data = class_folders(tmp_path / "data", cats=20, dogs=20)
    tiny = as_options({key: value for key, value in FIXED.items() if key != "trust.report"} | {"train.epochs": 1})
    shutil.copy(data / "cats" / "0.png", data / "dogs" / "a-cat.png")
    said = capas_here(capsys, "train", data, "--out", "run", "--report", "quick", *tiny)
    assert said.code == 0, said.err
    assert "in more than one class" in said.err, "what look finds is said before training"
    assert "Tested once" in said.out and "The whole report: run/report/report.html" in said.out
    assert said.out.index("Tested once") < said.out.index("The whole report") < said.out.index("Next:")
    report = json.loads(Path("run/report/report.json").read_text())
    assert report["level"] == "quick" and "contradictory_labels" in [one["kind"] for one in report["data_problems"]]
    assert "data_contradictory_labels" in [one["key"] for one in report["findings"]]
    none = capas_here(capsys, "train", data, "--out", "plain", "--report", "none", "--json", *tiny)
    assert none.json["report"] is None and not Path("plain/report").exists()  # type: ignore[index]


def test_the_bar_names_the_question_and_the_most_time_left() -> None:
    at = ReportProgress(theme="ood", themes_done=2, fraction=0.5, seconds_left=95.0)
    assert progress_detail(at) == "Does it notice what it does not know? · at most 1 min 35 s left"


def test_a_report_may_take_what_the_run_allows(finished_run: Path, tmp_path: Path) -> None:
    run = Run(folder=shutil.copytree(finished_run, tmp_path / "run"))
    training_s = read_card(run.bundle / "card.json").provenance.seconds
    assert report_deadline(run).allowed_s == max(120.0, training_s) and report_deadline(run, 7.0).allowed_s == 7.0
    config = read_config(run.config).merged({"train.time_s": training_s + 50, "trust.time_s": 40.0})
    run.config.write_text(config_to_toml(config))
    assert report_deadline(run).allowed_s == pytest.approx(90.0), "what the training left over is the report's"


def test_ctrl_c_leaves_out_the_report_and_keeps_the_model(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from capas.cli import train_verbs

    def pressed(*arguments: object, **options: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_verbs, "make_with_progress", pressed)
    data = class_folders(tmp_path / "data", cats=20, dogs=20)
    tiny = as_options({**FIXED, "train.epochs": 1, "trust.report": "standard"})
    said = capas_here(capsys, "train", data, "--out", "run", *tiny)
    assert said.code == 0 and "capas trust run" in said.err and "capas predict run" in said.out
    assert Path("run/bundle/model.safetensors").is_file() and not Path("run/report").exists()


def test_predict_refuses_what_is_unlike_the_training_data(reported: Path, capsys: Capture) -> None:
    chance = np.random.default_rng(0)
    for i in range(4):
        Image.fromarray(chance.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(f"noise{i}.png")
    paths = sorted(Path().glob("noise*.png"))
    said = capas_here(capsys, "predict", reported, *paths, "--json")
    assert said.code == 2, "every input was refused"
    found = said.json
    assert isinstance(found, list) and all("Does not resemble" in answer["refused"] for answer in found)
    assert_snapshot("json-predict-unlike", shape_of(found[0]))
    assert capas_here(capsys, "predict", reported, *paths, "-o", "answers.csv").code == 2
    with Path("answers.csv").open(encoding="utf-8", newline="") as stream:
        assert all(row["refused"] and row["unlike_training_data"] == "true" for row in csv.DictReader(stream))
    shown = capas_here(capsys, "predict", reported, *paths, "--answer-all")
    assert shown.code == 0 and shown.out.count("! unlike the training data") == 4
    all_answered = capas_here(capsys, "predict", reported, *paths, "--answer-all", "--json")
    answers = all_answered.json
    assert all_answered.code == 0 and isinstance(answers, list)
    assert all(answer["prediction"] and answer["unlike_training_data"] for answer in answers)


def _made_wrong(predictions: Path) -> None:
    """Half of what is right becomes wrong."""
    with predictions.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    right = [row for row in rows if row["prediction"] == row["class"]]
    for row in right[: len(right) // 2]:
        row["prediction"] = f"not {row['class']}"
    with predictions.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
