"""What can go wrong while a run is made, taken up again or used: each ends in one named error, and loses nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import torch
from PIL import Image

import capas
from capas.core.errors import CapasError
from capas.data.batch import Batch
from capas.engine import train as train_module
from capas.engine.build import DeviceBatches
from capas.engine.events import Event, Failed, Resumed, Saved, Started, read_events
from capas.engine.train import TrainingCallbacks
from tests.data.drawing import class_folders
from tests.harness import FIXED, as_options, capas_here, train_here

TINY: Mapping[str, object] = {**FIXED, "train.epochs": 2, "train.checkpoint_steps": 2, "train.batch_size": 8}


def refused(work: Callable[[], object]) -> CapasError:
    with pytest.raises(CapasError) as caught:
        work()
    return caught.value


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "pictures", cats=24, dogs=24)


def stop_after(step: int) -> TrainingCallbacks:
    """Press Ctrl-C, once, when ``step`` is reached."""
    pressed: list[int] = []

    def event(event: Event) -> None:
        if isinstance(event, Saved) and event.step >= step and not pressed:
            pressed.append(event.step)
            os.kill(os.getpid(), signal.SIGINT)

    return TrainingCallbacks(event=event)


@pytest.fixture
def stopped(data: Path, tmp_path: Path) -> Path:
    """A run that was stopped in the middle."""
    run = tmp_path / "run"
    assert capas.train(data, out=run, settings=TINY, watch=stop_after(4)) is None
    assert not (run / "bundle").exists()
    return run


def test_a_stopped_run_goes_on_from_another_folder(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_here(tmp_path / "pictures", tmp_path / "whole", TINY)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert capas.resume(stopped) is not None
    for name in ("bundle/model.safetensors", "predictions.csv"):
        assert (stopped / name).read_bytes() == (whole / name).read_bytes()


# --- the data ---------------------------------------------------------------------------------------------------------


def test_a_changed_picture_is_named(stopped: Path, data: Path) -> None:
    Image.new("RGB", (32, 32)).save(data / "dogs" / "7.png")
    error = refused(lambda: capas.resume(stopped))
    assert error.key == "data_changed" and error.received == "1" and "dogs/7.png" in str(error)


def test_missing_pictures_are_counted_and_the_first_is_named(stopped: Path, data: Path) -> None:
    for name in ("3.png", "5.png"):
        (data / "cats" / name).unlink()
    error = refused(lambda: capas.resume(stopped))
    assert error.key == "data_missing" and error.received == "2" and "cats/3.png" in str(error)


def test_missing_data_is_named(stopped: Path, data: Path) -> None:
    shutil.rmtree(data)
    error = refused(lambda: capas.resume(stopped))
    assert error.key == "no_such_path" and error.where == str(data)


def test_pictures_that_came_later_do_not_matter(stopped: Path, data: Path) -> None:
    Image.new("RGB", (32, 32)).save(data / "cats" / "later.png")
    result = capas.resume(stopped)
    assert result is not None and "later.png" not in (stopped / "data.json").read_text()


# --- the run's folder -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "change", "key"),
    [
        ("config.toml", None, "not_a_run"),
        ("config.toml", b"[train]\nepoch = 3\n", "plan_key"),
        ("config.toml", b"[train\n", "plan_unreadable"),
        ("config.toml", b"[train]\nepochs = 3\n", "config_changed"),
        ("data.json", None, "run_damaged"),
        ("data.json", b"{}", "run_damaged"),
        ("data.json", b"[", "run_damaged"),
        ("data.json", b"[]", "run_damaged"),
        ("decision.json", None, "run_damaged"),
        ("decision.json", b"{", "run_damaged"),
        ("checkpoints", b"", "checkpoints_damaged"),
    ],
)
def test_a_missing_or_altered_file_is_named(name: str, change: bytes | None, key: str, stopped: Path) -> None:
    if name == "checkpoints":
        for path in (stopped / name).glob("step-*"):
            path.write_bytes(b"x")
    elif change is None:
        (stopped / name).unlink()
    else:
        (stopped / name).write_bytes(change)
    error = refused(lambda: capas.resume(stopped))
    assert error.key == key and str(stopped) in error.where


@pytest.mark.parametrize("value", [{"device": "cpu"}, 3, {}])
def test_an_altered_decision_is_named(value: object, stopped: Path) -> None:
    tree = json.loads((stopped / "decision.json").read_text())
    (stopped / "decision.json").write_text(json.dumps({**tree, "execution": value}))
    error = refused(lambda: capas.resume(stopped))
    assert error.key == "run_damaged" and error.where.endswith("decision.json")


def test_an_altered_record_is_named(stopped: Path) -> None:
    tree = json.loads((stopped / "data.json").read_text())
    for examples in ([], [["a", "b"]], "x", [["a", "b", "many", "train"]]):
        (stopped / "data.json").write_text(json.dumps({**tree, "examples": examples}))
        assert refused(lambda: capas.resume(stopped)).key == "run_damaged"


def test_without_any_checkpoint_it_begins_anew(stopped: Path, tmp_path: Path) -> None:
    shutil.rmtree(stopped / "checkpoints")
    assert capas.resume(stopped) is not None
    whole = train_here(tmp_path / "pictures", tmp_path / "whole", TINY)
    assert (stopped / "predictions.csv").read_bytes() == (whole / "predictions.csv").read_bytes()


def test_a_comment_in_the_configuration_is_no_change(stopped: Path) -> None:
    with (stopped / "config.toml").open("a") as stream:
        stream.write("\n# note to myself\n")
    assert capas.resume(stopped) is not None


def test_a_finished_or_unfinished_run_says_so(stopped: Path, finished_run: Path) -> None:
    assert refused(lambda: capas.resume(finished_run)).key == "run_finished"
    assert refused(lambda: capas.load(stopped)).key == "run_unfinished"
    assert refused(lambda: capas.test(stopped)).key == "run_unfinished"


def test_a_run_killed_while_it_was_tested_is_tested_when_resumed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_here(data, tmp_path / "whole", TINY)

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_module, "write_bundle", killed)
    with pytest.raises(KeyboardInterrupt):
        train_here(data, tmp_path / "run", TINY)
    monkeypatch.undo()
    assert capas.resume(tmp_path / "run") is not None
    for name in ("bundle/model.safetensors", "predictions.csv", "metrics.json"):
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()


def test_nothing_is_trained_into_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("full", "file"):
        assert refused(lambda name=name: capas.train("sample:shapes", out=tmp_path / name)).key == "run_exists"
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]


def test_a_folder_where_another_trains_is_refused_and_left_alone(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    code = "import json, sys, capas; capas.train(sys.argv[1], out=sys.argv[2], settings=json.loads(sys.argv[3]))"
    slow = {**FIXED, "train.epochs": 500, "train.checkpoint_steps": 1}
    with subprocess.Popen([sys.executable, "-c", code, str(data), str(run), json.dumps(slow)]) as first:
        while not list(run.glob("checkpoints/step-*")):
            assert first.poll() is None
        for work in (
            lambda: capas.train(data, out=run, settings=TINY),
            lambda: capas.resume(run),
        ):
            error = refused(work)
            assert error.key == "run_is_busy" and error.received == str(first.pid)
        first.send_signal(signal.SIGINT)
        assert first.wait(60) == 0
    events = list(read_events(run / "events.jsonl"))
    assert sum(isinstance(event, Started) for event in events) == 1 and events[-1].kind == "stopped"


def test_who_was_slower_to_look_does_not_take_over(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both found the folder free; the first finished while the second still looked at its data."""
    real = train_module.make_plan

    def slow(*arguments: object, **options: object) -> object:
        monkeypatch.setattr(train_module, "make_plan", real)
        train_here(data, tmp_path / "run", TINY)
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(train_module, "make_plan", slow)
    error = refused(lambda: capas.train(data, out=tmp_path / "run", settings={**TINY, "train.epochs": 1}))
    assert error.key == "run_exists"
    assert "epochs = 2.0" in (tmp_path / "run" / "config.toml").read_text()


def test_a_failed_look_leaves_no_folder(tmp_path: Path) -> None:
    assert refused(lambda: capas.train(tmp_path / "none", out=tmp_path / "run")).key == "no_such_path"
    assert not (tmp_path / "run").exists()


# --- the disk ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(
    data: Path, tmp_path: Path, small_disk: Path
) -> None:
    run = small_disk / "run"
    error = refused(lambda: capas.train(data, out=run, settings=TINY))
    assert error.key == "disk_full" and "No space left" in error.received
    assert list(run.glob("checkpoints/step-*")), "it must have become full in the middle"
    assert not [path for path in run.rglob(".*") if path.name != ".lock"]
    assert refused(lambda: capas.resume(run)).key == "disk_full"
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert capas.resume(run) is not None
    assert any(isinstance(event, Resumed) for event in read_events(run / "events.jsonl"))
    whole = train_here(data, tmp_path / "whole", TINY)
    for name in ("bundle/model.safetensors", "predictions.csv"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def test_a_place_where_nothing_may_be_written_is_named(data: Path) -> None:
    assert refused(lambda: capas.train(data, out="/proc/run", settings=TINY)).key == "cannot_write"


# --- learning ---------------------------------------------------------------------------------------------------------


def test_learning_that_breaks_down_names_step_and_examples(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    settings = {**TINY, "network.name": "two-conv", "network.width": 0, "optim.optimizer": "sgd",
                "optim.learning_rate": 1e20, "optim.warmup": 0.0}  # fmt: skip
    said = capas_here(capsys, "train", data, "--out", run, *as_options(settings))
    assert said.code == 2 and "Training diverged" in said.err and "Traceback" not in said.err
    failed = [event for event in read_events(run / "events.jsonl") if isinstance(event, Failed)]
    assert [event.key for event in failed] == ["loss_not_finite"]
    assert "where: step " in failed[0].message and "cats/" in failed[0].message + said.err
    assert "--set optim.learning_rate=" in said.err
    assert not (run / "bundle").exists()


def test_poisoned_inputs_are_found_before_they_are_saved(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = DeviceBatches.iterate

    def poisoned(batches: DeviceBatches[Batch[torch.Tensor]], start: int) -> Iterator[Batch[torch.Tensor]]:
        for batch in real(batches, start):
            batch.inputs[0, 0, 0, 0] = float("nan")
            yield batch

    monkeypatch.setattr(DeviceBatches, "iterate", poisoned)
    error = refused(lambda: capas.train(data, out=tmp_path / "run", settings=TINY))
    assert (error.key, error.where) == ("loss_not_finite", "step 0")
    assert not list((tmp_path / "run").glob("checkpoints/*"))


# --- the network ------------------------------------------------------------------------------------------------------

FIXED_OPTIONS = as_options({**FIXED, "train.epochs": 1})
MAIN_JOB = [
    ["look", "sample:shapes", *FIXED_OPTIONS],
    ["train", "sample:shapes", "--out", "run", *FIXED_OPTIONS],
    ["test", "run"],
    ["predict", "run", "sample:shapes", "--limit", "3"],
    ["export", "run", "--to", "onnx", "-o", "run.onnx"],
]


def test_the_main_job_opens_no_socket(tmp_path: Path) -> None:
    """As a process of its own, with an audit hook that ends it at the first use of a socket."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def watch(event, arguments):\n"
        "    if event.startswith('socket.'):\n"
        "        sys.stderr.write(f'{event} {arguments}'); sys.stderr.flush(); os._exit(77)\n"
        "sys.addaudithook(watch)\n"
    )
    code = "import json, sys; from capas.cli.main import main\n" + (
        "for words in json.loads(sys.argv[1]):\n"
        "    sys.argv = ['capas', *words]\n"
        "    try: main()\n"
        "    except SystemExit as end: assert not end.code, (words, end.code)\n"
    )
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    started = [sys.executable, "-c", code, json.dumps(MAIN_JOB)]
    done = subprocess.run(started, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run.onnx").is_file()
    trap = subprocess.run(
        [sys.executable, "-c", "import socket; socket.socket()"], env=environment, capture_output=True, check=False
    )
    assert trap.returncode == 77, "the trap itself must work"


def test_threads_and_seeds_of_the_caller_survive(data: Path, tmp_path: Path) -> None:
    """Training in someone's own program leaves its signal handlers alone."""
    former = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    train_here(data, tmp_path / "run", {**TINY, "train.epochs": 1})
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == former
    assert torch.get_num_threads() == 1
