"""The engine carries any objective: several optimizers, shared or not, lazy phases, state of the objective's own,
networks that only follow, unpaired data. Through ``build()``; killed at any moment and resumed; on two ranks as on one.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from capas.engine.checkpoint import newest_checkpoint
from capas.engine.distributed import Ranks
from capas.engine.events import Finished, Resumed, Sampled, Stepped, read_events
from capas.engine.loop import ValidationScore
from capas.engine.optim import named_tensors
from capas.objectives.base import OptimizerSpec, Phase, StepContext, deployed_networks
from tests.engine.forks import Forks, forks
from tests.engine.objective_toys import BATCH, STEPS, TOYS, Gan, Momentum, built
from tests.engine.test_distributed import together
from tests.engine.toys import Duel, Judges, loop, weights

ROOT = Path(__file__).parents[2]
PROGRAM = f"""
sys.path.insert(0, {str(ROOT)!r})
import torch._dynamo
torch.set_num_threads(1)
from tests.engine.objective_toys import main
"""
KILLS = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("objectives")


@pytest.fixture(scope="module")
def processes(folder: Path) -> Iterator[Forks]:
    with forks(folder, PROGRAM) as started:
        yield started


@pytest.mark.parametrize("name", TOYS)
def test_ten_kills_change_nothing(name: str, folder: Path, processes: Forks) -> None:
    processes.run("whole", name)
    whole, killed = folder / "whole" / name, folder / "killed" / name
    landed = 0
    for kill in range(KILLS):
        processes.start("killed", name)
        wait_for_checkpoint(killed, (kill + 1) * STEPS // (KILLS + 2))
        processes.signal(signal.SIGKILL)
        landed += processes.exit_code() == -signal.SIGKILL
    processes.run("killed", name)
    assert landed == KILLS and any(isinstance(event, Resumed) for event in read_events(killed / "events.jsonl"))
    assert (killed / "final.safetensors").read_bytes() == (whole / "final.safetensors").read_bytes()
    last = f"checkpoints/step-{STEPS:08d}.safetensors"
    mine, theirs = load_file(killed / last), load_file(whole / last)
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)


def wait_for_checkpoint(run: Path, step: int) -> None:
    """Until a checkpoint of ``step`` or later is there, and a random moment more."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        steps = [int(path.stem.removeprefix("step-")) for path in (run / "checkpoints").glob("step-*.safetensors")]
        if max(steps, default=-1) >= step:
            time.sleep(random.uniform(0, 0.03))
            return
        time.sleep(0.001)
    raise AssertionError(f"no checkpoint of step {step} in {run}")


@pytest.mark.slow
def test_two_ranks_equal_one(tmp_path: Path) -> None:
    quiet = {**os.environ, "TOYS_WITHOUT_NOISE": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    module = ("-m", "tests.engine.objective_toys")
    alone = subprocess.run([sys.executable, *module, "one", *TOYS], cwd=tmp_path, env=quiet, capture_output=True,
                           text=True, timeout=120, check=False)  # fmt: skip
    assert alone.returncode == 0, alone.stderr
    done = together(*module, "two", *TOYS, cwd=tmp_path, env=quiet)
    assert done.returncode == 0, done.stderr
    for name in TOYS:
        one, two = (load_file(tmp_path / run / name / "final.safetensors") for run in ("one", "two"))
        assert max(float((one[key] - two[key]).abs().max()) for key in one) <= 1e-4, name
        states = [
            load_file(tmp_path / run / name / f"checkpoints/step-{STEPS:08d}.safetensors") for run in ("one", "two")
        ]
        own = [{key: value for key, value in state.items() if key.startswith("objective.")} for state in states]
        assert own[0].keys() == own[1].keys() and bool(own[0]) == (name != "gan")
        assert all(torch.allclose(own[0][key], own[1][key], atol=1e-3) for key in own[0]), name


@pytest.mark.parametrize("name", TOYS)
def test_the_losses_of_every_phase_are_reported(name: str, tmp_path: Path) -> None:
    ready = built(name, tmp_path, Ranks(), train__checkpoint_steps=8)
    reports = [event for event in ready.loop.run() if isinstance(event, Stepped)]
    phases = ready.job.objective.phases
    assert {phase.loss for phase in phases} <= set(reports[0].losses)
    assert all(report.loss == report.losses[phases[0].loss] for report in reports)
    assert reports[-1].step == STEPS


def test_a_phase_sees_gradients_of_its_own_networks_alone(tmp_path: Path) -> None:
    ready = built("gan", tmp_path, Ranks())
    gan = ready.job.objective
    assert isinstance(gan, Gan)
    list(ready.loop.run())
    # Two batches for the discriminator, one for the generator, at each step.
    assert gan.gradients == ["discriminator", "discriminator", "generator"] * STEPS
    assert all(p.requires_grad for network in gan.networks.values() for p in network.parameters())


def test_samples_are_drawn_while_it_learns_and_always_from_the_same_noise(tmp_path: Path) -> None:
    ready = built("gan", tmp_path, Ranks())
    events = list(ready.loop.run())
    drawn = [event for event in events if isinstance(event, Sampled)]
    assert [event.step for event in drawn] == [15, 30, 45, 60] and all(event.count == 16 for event in drawn)
    pictures = [np.asarray(Image.open(tmp_path / "samples" / event.path)) for event in drawn]
    assert pictures[0].shape == (32, 32) and (pictures[0] != pictures[-1]).any()
    assert (
        isinstance(events[-1], Finished) and not list(built("cycle", tmp_path / "cycle", Ranks()).loop.run())[-1].early
    )  # type: ignore[union-attr]
    assert not (tmp_path / "cycle" / "samples").exists()


def test_only_the_chosen_networks_are_averaged_and_deployed(tmp_path: Path) -> None:
    ready = built("cycle", tmp_path, Ranks())
    list(ready.loop.run())
    found = newest_checkpoint(tmp_path / "checkpoints")
    assert found is not None
    averaged = {key.split(".")[1] for key in found[0] if key.startswith("average.")}
    assert averaged == {"a_to_b", "b_to_a"}
    final = named_tensors(ready.job.objective.networks)
    for key, value in final.items():
        kept = found[0].get(f"average.{key}", found[0][key])
        assert torch.equal(value, kept), key
    assert list(deployed_networks(ready.job.objective)) == ["a_to_b", "b_to_a"]
    assert list(deployed_networks(Momentum())) == ["query"] and list(deployed_networks(Duel())) == ["judge", "forger"]


def test_shared_optimizers_have_one_state_and_rates_by_parameter(tmp_path: Path) -> None:
    ready = built("lazy-stylegan", tmp_path, Ranks())
    optimizers = ready.loop.stepper.optimizers
    assert set(optimizers) == {"g", "d"}
    rates = {len(group["params"]): group["peak"] for group in optimizers["g"].inner.param_groups}
    peaks = sorted({group["peak"] for group in optimizers["g"].inner.param_groups})
    assert peaks == pytest.approx([2e-5 * 8 / 9, 2e-3 * 8 / 9]) and rates
    assert optimizers["d"].inner.param_groups[0]["betas"] == (0.0, 0.99 ** (4 / 5))
    list(ready.loop.run())
    # 60 main steps and 15 of R1 with one optimizer; the last bias has no part in a slope.
    assert sorted({int(state["step"]) for state in optimizers["d"].inner.state.values()}) == [60, 75]


def test_a_network_that_only_follows_is_never_corrected_by_gradients(tmp_path: Path) -> None:
    ready = built("momentum", tmp_path, Ranks())
    moco = ready.job.objective
    assert isinstance(moco, Momentum)
    before = (
        named_tensors({"key": moco.networks["key"]}),
        {k: v.clone() for k, v in named_tensors(moco.networks).items()},
    )
    list(ready.loop.run())
    assert all(parameter.grad is None for parameter in moco.networks["key"].parameters())
    assert any(not torch.equal(before[1][key], value) for key, value in before[0].items())
    assert len(moco.queue) == Momentum.size


def test_scores_below_minus_one_are_best_too(tmp_path: Path) -> None:
    duel, seen = Duel(), []
    judges = Judges(-7.0, -2.5, -4.0)

    def evaluate() -> ValidationScore:
        seen.append(weights(duel))
        return judges()

    list(loop(duel, tmp_path, steps=6, train={"evaluations": 3}, evaluate=evaluate).run())  # type: ignore[arg-type]
    assert all(torch.equal(weights(duel)[name], value) for name, value in seen[1].items())


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    for wrong in ({"every": 0}, {"batches": 0}, {"networks": ()}):
        with pytest.raises(ValueError, match="expected"):
            Phase(**{"name": "a", "loss": "a", "networks": ("a",), **wrong})  # type: ignore[arg-type]
    gan = Gan()
    gan.optimizers = {**gan.optimizers, "judge": OptimizerSpec()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TOYS, "gan", lambda ranks: (gan, TOYS["cycle"](ranks)[1]))  # type: ignore[misc]
        with pytest.raises(ValueError, match="judge"):
            built("gan", tmp_path, Ranks())


def test_the_noise_of_two_ranks_is_that_of_one() -> None:
    def context(rank: int, world: int) -> StepContext:
        return StepContext(step=0, progress=0.0, rng=torch.Generator().manual_seed(4), rank=rank, world_size=world)

    whole = context(0, 1).normal(BATCH, 3)
    parts = [context(rank, 2).normal(BATCH // 2, 3) for rank in (0, 1)]
    assert torch.equal(torch.cat(parts), whole)
