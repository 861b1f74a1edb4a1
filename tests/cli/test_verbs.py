"""The verbs as a person uses them: what they print, where they write, and how they refuse."""

import csv
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from capas.cli import data_verbs
from capas.cli.data_verbs import parse_time
from capas.core.errors import CapasError
from tests.data.drawing import class_folders, save
from tests.harness import FIXED, Answer, as_options, capas_apart, capas_here, command

TINY = as_options({**FIXED, "train.epochs": 1})
Capture = pytest.CaptureFixture[str]


def refused(answer: Answer, *words: str) -> None:
    assert answer.code == 2, answer
    assert "✗ " in answer.err and "next: " in answer.err and "Traceback" not in answer.err
    assert all(word in answer.err for word in words), answer.err
    assert answer.out == ""


def test_look_shows_classes_task_and_problems(tmp_path: Path, capsys: Capture) -> None:
    root = class_folders(tmp_path / "data", cats=12, dogs=9)
    (root / "cats" / "broken.png").write_text("")
    said = capas_here(capsys, "look", root, *TINY)
    assert said.code == 0
    for word in ("cats", "dogs", "classify", "broken.png", "Training would take about", f"capas train {root}"):
        assert word in said.out, word
    assert "trust report" not in said.out, "none is wanted"
    clean = capas_here(capsys, "look", class_folders(tmp_path / "clean", cats=12, dogs=12), *TINY,
                       "--set", "trust.report=quick", "--set", "trust.time_s=60")  # fmt: skip
    assert "The trust report after it takes at most 1 min 00 s: about 1 min" in clean.out
    assert "✓ Nothing found that would harm training" in clean.out


def test_time_is_for_training_and_report_together() -> None:
    assert data_verbs.changes(time="90s") == {"train.time_s": 60.0, "trust.time_s": 30.0}
    assert data_verbs.changes(time="90s", report="none") == {"train.time_s": 90.0, "trust.report": "none"}


def test_plan_then_train_by_the_plan(tmp_path: Path, capsys: Capture) -> None:
    data = class_folders(tmp_path / "my data", cats=20, dogs=20)
    planned = capas_here(capsys, "plan", data, "-o", "p.toml", "--seed", "7", *TINY)
    assert planned.code == 0 and "capas train p.toml" in planned.err and planned.out == ""
    refused(capas_here(capsys, "plan", data, "-o", "p.toml"), "already something")
    trained = capas_here(capsys, "train", "p.toml", "--out", "run", "--set", "optim.ema=0.5")
    assert trained.code == 0, trained.err
    config = Path("run/config.toml").read_text()
    assert config == Path("p.toml").read_text().replace("ema = 0.98", "ema = 0.5") and "seed = 7" in config
    printed = capas_here(capsys, "plan", data, "--seed", "7", *TINY)
    assert printed.out == Path("p.toml").read_text()


def test_train_says_how_good_it_is_and_what_to_do_next(tmp_path: Path, capsys: Capture) -> None:
    data = class_folders(tmp_path / "data", cats=20, dogs=20)
    said = capas_here(capsys, "train", data, "--out", "my run", *TINY)
    assert said.code == 0
    for word in ("Tested once", "this model", "a linear model", "always the commonest class", "95 % interval",
                 "capas predict 'my run' PICTURE…", "capas test 'my run'"):  # fmt: skip
        assert word in said.out, word
    for word in ("compact", "float32", "training examples"):
        assert word in said.err, word
    shown = capas_here(capsys, "test", "my run")
    assert "cats" in shown.out and "dogs" in shown.out and "of its own, found" in shown.out


def test_without_a_name_runs_go_to_runs_and_latest_finds_them(tmp_path: Path, capsys: Capture) -> None:
    data = class_folders(tmp_path / "otoño 2026", cats=20, dogs=20)
    refused(capas_here(capsys, "test", "latest"), "no run here yet")
    assert capas_here(capsys, "train", data, *TINY).code == 0
    (run,) = Path("runs").iterdir()
    assert run.name.endswith("-otoño-2026")
    assert capas_here(capsys, "test", "latest").code == 0
    assert capas_here(capsys, "predict", "latest", data / "cats" / "0.png").code == 0


ODD = ["with space", "ñandú", "🦎", "line\nbreak", "'quote\"", "[red]", "-dash", "{brace}", "100%", "a,b;c"]


def test_odd_names_everywhere(tmp_path: Path, capsys: Capture) -> None:
    root = tmp_path / "da ta\n🦎[/]{x}"
    for number, name in enumerate(ODD):
        for i in range(6):
            save(root / name / f"{name} {i}.png", 100 * number + i)
    run = "ru n\n🦎[/]{x}'"
    looked = capas_here(capsys, "look", root, *TINY)
    assert looked.code == 0 and all(" ".join(name.split()) in looked.out for name in ODD)
    trained = capas_here(capsys, "train", root, "--out", run, *TINY)
    assert trained.code == 0, trained.err
    picture = root / ODD[3] / f"{ODD[3]} 2.png"
    answered = capas_here(capsys, "predict", run, picture, "--json")
    assert answered.json[0]["input"] == str(picture)  # type: ignore[index]
    assert capas_here(capsys, "predict", run, picture, root).code == 0
    written = capas_here(capsys, "predict", run, root, "-o", "ans[b]wers.csv")
    assert written.code == 0 and "in ans[b]wers.csv" in written.err
    with Path("ans[b]wers.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["input"] for row in rows} == {str(root / name / f"{name} {i}.png") for name in ODD for i in range(6)}
    assert capas_here(capsys, "test", run).code == 0
    tested = capas_here(capsys, "test", run, "--data", root, "--json")
    assert set(tested.json["per_class"]) == set(ODD)  # type: ignore[index,call-overload]
    assert capas_here(capsys, "export", run, "-o", "odd [b].onnx").code == 0


@pytest.mark.slow
def test_names_that_are_no_utf8(tmp_path: Path, capsys: Capture) -> None:
    root = class_folders(tmp_path / "data", cats=19, dogs=20)
    odd = os.fsdecode(os.fsencode(root / "cats") + b"/caf\xe9.png")
    try:
        shutil.copy(root / "cats" / "3.png", odd)
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    save(tmp_path / "other.png", 999)
    shutil.copy(tmp_path / "other.png", odd)
    assert capas_here(capsys, "train", root, "--out", "run", *TINY).code == 0
    said = capas_apart("predict", "run", odd, "--json")
    assert said.code == 0 and said.json[0]["input"] == odd, said.err  # type: ignore[index]
    assert capas_apart("predict", "run", odd).code == 0
    named = os.fsdecode(os.fsencode(tmp_path) + b"/da\xf1o")
    shutil.copytree(root, named)
    said = capas_apart("train", named, "--out", "run2", *TINY)
    assert "Traceback" not in said.err and said.code in (0, 2), said.err


def test_predict_from_files_folders_and_a_list(finished_run: Path, tmp_path: Path, capsys: Capture,
                                               monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    root = class_folders(tmp_path / "data", cats=3)
    said = capas_here(capsys, "predict", finished_run, root, "--top", "1")
    assert said.code == 0 and len(said.out.splitlines()) == 3 and all("%" in line for line in said.out.splitlines())
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{root / 'cats' / '1.png'}\n\n{root / 'cats' / 'none.png'}\n"))
    said = capas_here(capsys, "predict", finished_run, "-", "--json")
    assert said.code == 0 and [bool(answer["refused"]) for answer in said.json] == [False, True]  # type: ignore[attr-defined]
    assert len(capas_here(capsys, "predict", finished_run, root, "--limit", "2").out.splitlines()) == 2


def test_predict_writes_csv(finished_run: Path, tmp_path: Path, capsys: Capture) -> None:
    root = class_folders(tmp_path / "data", cats=3)
    (root / "cats" / "bad.png").write_text("")
    said = capas_here(capsys, "predict", finished_run, root, "--out", "answers.csv")
    assert said.code == 0 and said.out == "" and "4 answers in answers.csv" in said.err
    with Path("answers.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["input", "prediction", "probability", "refused", "p(circle)", "p(square)", "p(triangle)"]
    (bad,) = [row for row in rows if row["input"].endswith("bad.png")]
    assert bad["refused"] and not bad["prediction"] and not bad["p(circle)"]
    good = [row for row in rows if row is not bad]
    assert all(float(row["probability"]) == max(float(row[f"p({n})"]) for n in ("circle", "square", "triangle"))
               for row in good)  # fmt: skip


def test_when_every_picture_is_refused_it_is_exit_code_2(finished_run: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "bad.png").write_text("")
    for extra in ([], ["--json"], ["-o", "a.csv"]):
        said = capas_here(capsys, "predict", finished_run, tmp_path / "bad.png", *extra)
        assert said.code == 2 and "1 of 1 could not be answered" in said.err and "Traceback" not in said.err
    refused(capas_here(capsys, "predict", finished_run, tmp_path / "none.png"), "no such picture")
    (tmp_path / "empty").mkdir()
    refused(capas_here(capsys, "predict", finished_run, tmp_path / "empty"), "nothing to predict on")


@pytest.mark.parametrize("verb", ["look", "plan", "train"])
def test_data_that_is_none_is_refused(verb: str, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("x")
    (tmp_path / "note.txt").write_text("x")
    for name, word in (("nowhere", "nothing at this path"), ("empty", "empty"), ("text", ""), ("note.txt", ""),
                       ("sample:shpes", "shapes"), ("hf:mnist", ""), ("", "empty"),
                       ("nowhere.toml", "nothing at this path")):  # fmt: skip
        refused(capas_here(capsys, verb, name), word)
    assert not Path("runs").exists()


def test_a_folder_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    locked = class_folders(tmp_path / "locked", cats=2, dogs=2)
    locked.chmod(0)
    try:
        list(locked.iterdir())
    except PermissionError:
        pass
    else:
        pytest.skip("root may read everything")
    said = capas_apart("look", locked)
    locked.chmod(0o755)
    refused(said)


@pytest.mark.parametrize("words", [
    ["test", "nowhere"], ["resume", "nowhere"], ["export", "nowhere"], ["predict", "nowhere", "x.png"],
    ["test", "folder"], ["resume", "folder"], ["export", "folder"], ["predict", "folder", "x.png"],
    ["resume", "file"], ["export", "file"], ["test", "latest"], ["resume", "latest"], ["export", "latest"],
    ["samples", "nothing", "--out", "x"], ["samples", "shapes"], ["samples", "shapes", "--out", "folder"],
])  # fmt: skip
def test_runs_that_are_none_are_refused(words: list[str], capsys: Capture) -> None:
    Path("folder").mkdir()
    Path("folder/x.txt").write_text("x")
    Path("file").write_text("x")
    refused(capas_here(capsys, *words))


@pytest.mark.parametrize(("words", "says"), [
    (["--set", "train.epoch=3"], "Did you mean “train.epochs”?"), (["--set", "train.epochs"], "section.key=value"),
    (["--set", "train.epochs=many"], "many"), (["--set", "optim.learning_rate=-1"], "-1"),
    (["--network", "lenet5"], "lenet-5"), (["--time", "soon"], "“soon” is not a time"), (["--task", "fly"], "fly"),
    (["--target", "colour"], "colour"), (["--group", "patient"], "patient"),
    (["--set", "execution.device=abacus"], "abacus"), (["--network", "alexnet", "--set", "data.image_size=32"], "32"),
    (["--set", "network.pretrained=true", "--network", "compact"], "compact"),
    (["--network", "lenet-5", "--set", "network.width=3"], "width"),
])  # fmt: skip
def test_settings_that_cannot_be_are_refused(words: list[str], says: str, capsys: Capture) -> None:
    refused(capas_here(capsys, "train", "sample:shapes", "--out", "run", *words), says)
    assert not Path("run/bundle").exists()


def test_settings_that_are_set_are_used(tmp_path: Path, capsys: Capture) -> None:
    """Shares of the splits and the pixel cap reach the look."""
    root = class_folders(tmp_path / "data", cats=40, dogs=40)
    half = capas_here(capsys, "look", root, "--set", "data.test=0.5", "--set", "data.validation=0.25", "--json", *TINY)
    assert 25 <= half.json["splits"]["test"]["count"] <= 55  # type: ignore[index,call-overload]
    none = capas_here(capsys, "look", root, "--set", "data.validation=0", "--json", *TINY)
    assert none.json["splits"]["validation"]["count"] == 0  # type: ignore[index,call-overload]
    scaled = capas_here(capsys, "look", root, "--set", "data.max_pixels=500", "--json", *TINY)
    assert "scaled" in {problem["kind"] for problem in scaled.json["problems"]}  # type: ignore[index,call-overload]


def test_a_model_is_not_tested_on_classes_it_does_not_know(finished_run: Path, tmp_path: Path, capsys: Capture) -> None:
    data = class_folders(tmp_path / "data", circle=5, hexagon=5)
    refused(capas_here(capsys, "test", finished_run, "--data", data), "hexagon", "circle, square, triangle")


def test_an_unfinished_run_says_how_to_finish_it(finished_run: Path, tmp_path: Path, capsys: Capture) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    shutil.rmtree(run / "bundle")
    (run / "metrics.json").unlink()
    for words in (["test", run], ["predict", run, "x.png"], ["export", run], ["trust", run]):
        refused(capas_here(capsys, *words), f"capas resume {run}")
    refused(capas_here(capsys, "resume", finished_run), "finished", f"capas test {finished_run}")


def test_export_refuses_what_it_cannot(finished_run: Path, capsys: Capture) -> None:
    refused(capas_here(capsys, "export", finished_run, "--to", "tflite"), "tflite", "onnx")


def test_samples_are_written_as_folders(capsys: Capture) -> None:
    said = capas_here(capsys, "samples", "sample:shapes", "--out", "shapes")
    assert said.code == 0 and "shapes" in said.out and "None" not in said.out
    assert sorted(path.name for path in Path("shapes").iterdir()) == ["circle", "square", "triangle"]
    for words, word in ((["samples"], "sample:mnist5k"), (["networks"], "lenet-5-1998"), (["doctor"], "Versions")):
        assert word in capas_here(capsys, *words).out


def test_ctrl_c_before_there_is_anything_to_save_is_exit_code_130(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*arguments: object, **options: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(data_verbs, "look_at", pressed)
    said = capas_here(capsys, "look", "sample:shapes")
    assert said.code == 130 and "Traceback" not in said.err


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    process = subprocess.Popen(
        f"{' '.join(command('networks', '--json'))} | head -c 10",
        shell=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = process.communicate()
    assert len(out) == 10 and err == b""


def test_errors_and_results_are_spanish_when_asked(tmp_path: Path) -> None:
    said = capas_apart("look", "nowhere", env={"CAPAS_LANG": "es"})
    assert (said.code == 2 and "No hay nada en esta ruta" in said.err) or "ruta" in said.err
    assert "expected" not in said.err and "where:" not in said.err
    data = class_folders(tmp_path / "data", gatos=20, perros=20)
    said = capas_apart("--lang", "es", "train", data, "--out", "r", *TINY)
    assert said.code == 0, said.err
    assert "intervalo" in said.out and "%" in said.out and "," in said.out and "Tested" not in said.out
    readme = Path("r/bundle/README.md").read_text(encoding="utf-8")
    assert "language: es" in readme


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("10m", 600),
        ("10min", 600),
        ("1.5h", 5400),
        ("1h30m", 5400),
        (" 2M ", 120),
        ("1h0m5s", 3605),
    ],
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "soon", "10 m", "-5", "1..5h", "5d", "m", "1h30", "infs"][:-1])
def test_other_times_are_refused(text: str) -> None:
    if text == "1h30":
        assert parse_time(text) == 3630  # a bare number is seconds
        return
    with pytest.raises(CapasError) as caught:
        parse_time(text)
    assert caught.value.key == "time_unclear"
