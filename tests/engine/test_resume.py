"""Killed at any moment and resumed, a run ends bit-identical to one that was not: the weights, the answers and what was
measured on the way.
"""

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from capas.engine.events import Evaluated, Finished, Resumed, Stopped, read_events
from tests.engine.forks import Forks, forks, wait_for_step
from tests.engine.recipes.verification.made import write_signs
from tests.harness import FIXED, as_options, command

OFTEN: Mapping[str, object] = {"train.checkpoint_steps": 3}
# Every kind of chance and of state: mixup, dropout, stochastic depth, both optimisers, averaged weights, clipping.
RUNS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "compact": ("sample:shapes", {**FIXED, "train.epochs": 5, "augment.mixup": 0.2, "augment.rotate": 10}),
    "lenet-5": (
        "sample:digits",
        {
            **{key: value for key, value in FIXED.items() if key != "network.width"},
            "network.name": "lenet-5",
            "train.batch_size": 64,
            "train.epochs": 3,
            "optim.clip": 1.0,
            "objective.class_weights": "balanced",
            "data.image_size": 28,
        },
    ),
    "efficientnet-lite0": (
        "sample:shapes",
        {
            "network.name": "efficientnet-lite0",
            "network.pretrained": False,
            "data.image_size": 32,
            "data.validation": 0.0,
            "train.epochs": 0.5,
            "train.batch_size": 8,
            "optim.optimizer": "sgd",
            "execution.precision": "bfloat16",
            "execution.memory_format": "channels_last",
            "execution.threads": 1,
            "trust.report": "none",
        },
    ),
    # Two views of each example, and a second network that follows the first.
    "byol": (
        "sample:shapes",
        {**FIXED, "data.task": "embed", "method.name": "byol", "train.epochs": 3, "train.batch_size": 32},
    ),
    # One layer after the other, with noise; and latents by chance, whose deviation follows the error.
    "denoising": (
        "sample:shapes",
        {
            **{key: value for key, value in FIXED.items() if key != "network.width"},
            "data.task": "embed",
            "data.image_size": 12,
            "method.name": "denoising",
            "network.layer_wise": True,
            "train.epochs": 4,
            "train.batch_size": 32,
        },
    ),
    "vae": (
        "sample:shapes",
        {**FIXED, "data.image_size": 16, "method.name": "vae", "augment.mixup": 0.2, "train.epochs": 3},
    ),
    # Batches of identities; the folder is made below.
    "supcon": (
        "signs",
        {**FIXED, "data.task": "verify", "method.name": "supcon", "train.epochs": 30, "train.batch_size": 16},
    ),
    # Two folders without pairs: each in an order of its own, four networks, and pools of what was made before.
    "cyclegan": (
        "two-signs",
        {
            **FIXED, "network.width": 2, "data.task": "transform", "transform.blocks": 1, "transform.pool": 10,
            "train.epochs": 4, "train.batch_size": 8,
        },
    ),
    # Two networks against each other; noise at every step of a schedule; one that begins with what the data are like.
    **{
        network: (
            "sample:shapes",
            {
                **FIXED, "data.task": "generate", "network.name": network, "data.image_size": 8, "train.epochs": 4,
                "generation.samples": 16,
            },
        )
        for network in ("dcgan", "ddpm", "glow", "stylegan2", "stylegan3")
    },
}  # fmt: skip
KILLS = {"compact": 8, "lenet-5": 8, "efficientnet-lite0": 2}
OTHER_KILLS = 3


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume")
    write_signs(folder / "signs", table=False)
    write_signs(folder / "two-signs", identities=2, each=60, table=False)
    return folder


@pytest.fixture(scope="module")
def processes(workplace: Path) -> Iterator[Forks]:
    with forks(workplace) as started:
        yield started


def whole_run(name: str, workplace: Path, processes: Forks) -> Path:
    """The uninterrupted run; made when it is first asked for."""
    data, settings = RUNS[name]
    run = workplace / f"whole-{name}"
    if not run.exists():
        processes.run("train", data, "--out", run.name, *as_options({**settings, **OFTEN}))
    return run


def outcome(run: Path) -> dict[str, object]:
    """What two runs must share to the last bit."""
    evaluated = [event for event in read_events(run / "events.jsonl") if isinstance(event, Evaluated)]
    return {
        "weights": (run / "bundle" / "model.safetensors").read_bytes(),
        "predictions": (run / "predictions.csv").read_bytes(),
        "metrics": (run / "metrics.json").read_bytes(),
        "config": (run / "config.toml").read_bytes(),
        "validation": [(event.step, event.value, event.loss, event.best) for event in evaluated],
    }


def total_steps(run: Path) -> int:
    return [event for event in read_events(run / "events.jsonl") if isinstance(event, Finished)][-1].step


def kill_in_training(processes: Forks, run: Path, step: int, *arguments: str | Path) -> None:
    """Start Capas, and kill it soon after its events speak of ``step``."""
    events = run / "events.jsonl"
    before = events.stat().st_size if events.is_file() else 0
    processes.start(*arguments)
    wait_for_step(run, step, after=before)
    processes.signal(signal.SIGKILL)
    assert processes.exit_code() == -signal.SIGKILL
    assert b'"finished"' not in events.read_bytes()


@pytest.mark.parametrize(
    "name", ["lenet-5", *(pytest.param(name, marks=pytest.mark.slow) for name in RUNS if name != "lenet-5")]
)
def test_killed_runs_end_as_if_they_had_not_been(name: str, workplace: Path, processes: Forks) -> None:
    data, settings = RUNS[name]
    options = as_options({**settings, **OFTEN})
    whole, killed = whole_run(name, workplace, processes), workplace / f"killed-{name}"
    total = total_steps(whole)
    kills = KILLS.get(name, OTHER_KILLS)
    for kill in range(kills):
        step = total * (kill + 1) // (kills + 2)
        verb = ("train", data, "--out", killed.name, *options) if kill == 0 else ("resume", killed.name)
        kill_in_training(processes, killed, step, *verb)
    processes.run("resume", killed.name)
    assert b'"resumed"' in (killed / "events.jsonl").read_bytes()
    assert outcome(killed) == outcome(whole)
    assert not [path for path in killed.rglob(".*") if path.name != ".lock"], "pieces of what was being written"


@pytest.mark.slow
def test_what_was_measured_at_the_start_is_kept_when_resumed(workplace: Path, processes: Forks) -> None:
    data, settings = RUNS["compact"]
    free = {key: value for key, value in settings.items() if not key.startswith("execution.")}
    killed, whole = workplace / "killed-auto", workplace / "whole-auto"
    start = ("train", data, "--out", killed.name, *as_options({**free, **OFTEN}))
    for kill, step in enumerate((15, 40)):
        kill_in_training(processes, killed, step, *(start if kill == 0 else ("resume", killed.name)))
    processes.run("resume", killed.name)
    decided = json.loads((killed / "decision.json").read_text())["execution"]
    assert len(decided["measured"]) > 1
    same = {f"execution.{key}": decided[key] for key in ("precision", "memory_format", "threads")}
    processes.run("train", data, "--out", whole.name, *as_options({**free, **OFTEN, **same}))
    mine, theirs = outcome(killed), outcome(whole)
    assert b'"auto"' in (killed / "config.toml").read_bytes()
    assert {**mine, "config": b""} == {**theirs, "config": b""}


def started_and_ended(number: signal.Signals, workplace: Path, settings: Mapping[str, object]) -> tuple[Path, str]:
    """A training that is a process of its own, and gets this signal in its midst: its folder and what it said."""
    run = workplace / f"ended by {number.name}"
    train = command("train", RUNS["compact"][0], "--out", run.name, *as_options(settings))
    process = subprocess.Popen(train, cwd=workplace, stderr=subprocess.PIPE, text=True)
    wait_for_step(run, 14, after=0)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (-number if number is signal.SIGKILL else 130), said
    return run, said


@pytest.mark.slow
def test_a_killed_process_of_its_own_is_resumed(workplace: Path, processes: Forks) -> None:
    run, _ = started_and_ended(signal.SIGKILL, workplace, {**RUNS["compact"][1], **OFTEN})
    processes.run("resume", run.name)
    assert outcome(run) == outcome(whole_run("compact", workplace, processes))


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_asked_for_stop_saves_says_how_to_go_on_and_loses_nothing(
    number: signal.Signals, workplace: Path, processes: Forks
) -> None:
    run, said = started_and_ended(number, workplace, {**RUNS["compact"][1], "train.checkpoint_steps": 1000})
    assert f"capas resume '{run.name}'" in said and "Traceback" not in said
    stopped = [event for event in read_events(run / "events.jsonl") if isinstance(event, Stopped)]
    assert len(stopped) == 1 and f"step {stopped[0].step} of {stopped[0].total_steps}" in said
    processes.run("resume", run.name)
    resumed = [event for event in read_events(run / "events.jsonl") if isinstance(event, Resumed)]
    assert [event.step for event in resumed] == [stopped[0].step]
    mine, theirs = outcome(run), outcome(whole_run("compact", workplace, processes))
    assert {**mine, "config": b""} == {**theirs, "config": b""}
