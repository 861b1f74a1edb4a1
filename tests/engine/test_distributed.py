"""Two processes that train together end where one alone ends."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from capas.engine.distributed import Ranks, join_process_group
from capas.engine.events import Evaluated, Stepped, read_events
from tests.harness import as_options, capas_apart

SETTINGS = {
    "network.name": "lenet-5", "optim.optimizer": "sgd", "optim.learning_rate": 0.05, "train.epochs": 0.5,
    "train.batch_size": 64, "train.checkpoint_steps": 4, "optim.clip": 1.0, "augment.crop": 0, "augment.flip": False,
    "augment.colour": 0, "augment.cutout": 0, "execution.precision": "float32", "execution.threads": 1,
    "execution.memory_format": "channels_last",
}  # fmt: skip


def test_one_process_agrees_with_itself() -> None:
    ranks = Ranks()
    assert ranks.is_main and ranks.broadcast(0.3) == 0.3 and ranks.broadcast_text("ñ") == "ñ"
    assert ranks.broadcast_flags(True, False, True) == (True, False, True)
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.grad = torch.tensor([1.0, 2.0])
    ranks.average_gradients([parameter])
    assert parameter.grad.tolist() == [1.0, 2.0]
    with join_process_group() as joined:
        assert joined == Ranks()


TOGETHER = """
import glob
import sys
import torch
from capas.engine.distributed import join_process_group
def gloo_threads():
    names = [open(name).read().strip() for name in glob.glob("/proc/self/task/*/comm")]
    return [name for name in names if "gloo" in name]
with join_process_group() as ranks:
    me = ranks.rank
    assert (ranks.world_size, ranks.is_main) == (2, me == 0)
    assert ranks.broadcast(10.0 + me) == 10.0
    assert ranks.broadcast_text("año \\udce9" if me == 0 else "x") == "año \\udce9"
    assert ranks.broadcast_flags(me == 0, me == 1) == (True, False)
    p = torch.nn.Parameter(torch.zeros(2, 3, 2, 2).to(memory_format=torch.channels_last))
    p.grad = (torch.arange(24.0).view(2, 3, 2, 2) * (me + 1)).to(memory_format=torch.channels_last)
    q, unused = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    q.grad = torch.tensor([4.0 * me])
    ranks.average_gradients([p, unused, q])
    assert torch.equal(p.grad, torch.arange(24.0).view(2, 3, 2, 2) * 1.5) and q.grad.item() == 2 and unused.grad is None
    shared = [torch.full((1, 2, 3, 3), float(me)).to(memory_format=torch.channels_last), torch.tensor(me), q]
    ranks.broadcast_tensors(shared)
    assert torch.equal(ranks.gather(torch.full((2, 3), float(me))), torch.tensor([[0.0] * 3] * 2 + [[1.0] * 3] * 2))
    assert not any(t.detach().any() for t in shared[:2]) and shared[0].is_contiguous(memory_format=torch.channels_last)
    import torch._dynamo  # as the optimisers do
    assert not sys.platform == "linux" or gloo_threads()
assert not gloo_threads(), f"threads outlive the group: {gloo_threads()}"
"""


def together(*words: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    started = [*launcher, "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", *map(str, words)]
    return subprocess.run(
        started, cwd=cwd, capture_output=True, text=True, timeout=300, check=False,
        env={**(env or os.environ), "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip


def test_two_processes_exchange_what_they_should(tmp_path: Path) -> None:
    (tmp_path / "exchange.py").write_text(TOGETHER)
    done = together(tmp_path / "exchange.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    options = as_options(SETTINGS)
    alone = capas_apart("train", "sample:digits", "--out", "alone", *options)
    assert alone.code == 0, alone.err
    done = together("-m", "capas.cli.main", "train", "sample:digits", "--out", "two", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Network  lenet-5") == 1, "only one of them speaks"
    ours, theirs = (load_file(tmp_path / run / "bundle" / "model.safetensors") for run in ("two", "alone"))
    assert max(float((ours[name] - theirs[name]).abs().max()) for name in theirs) <= 1e-5
    scores = [
        [(e.step, e.value) for e in read_events(tmp_path / run / "events.jsonl") if isinstance(e, Evaluated)]
        for run in ("two", "alone")
    ]
    assert scores[0] == scores[1] and len(scores[0]) > 3
    steps = [e.step for e in read_events(tmp_path / "two" / "events.jsonl") if isinstance(e, Stepped)]
    assert steps == sorted(set(steps)), "one of them writes"
