"""Checkpoints: what is kept is all that is needed, in the layout that the optimiser walks."""

import json
from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from capas.core.errors import CapasError
from capas.engine.checkpoint import (
    TrainingPosition,
    newest_checkpoint,
    optimizer_tensors,
    read_best_weights,
    read_checkpoint,
    restore_optimizers,
    save_best_weights,
    save_checkpoint,
)
from capas.engine.optim import make_optimizer

AT_NINE = TrainingPosition(
    step=9, progress=0.3, steps_left=21, seconds=4.5, best=0.75, best_step=6, evaluated_step=9, since_best=1
)


def test_position_and_tensors_read_back_to_the_bit(tmp_path: Path) -> None:
    tensors = {
        "a": torch.randn(3, 2, 5, 5).contiguous(memory_format=torch.channels_last),
        "b": torch.tensor(7),
        "c": torch.randn(4).bfloat16(),
    }
    path = save_checkpoint(tmp_path, tensors, AT_NINE)
    read, position = read_checkpoint(path)
    assert position == AT_NINE and read.keys() == tensors.keys()
    assert all(torch.equal(read[name], tensor) and read[name].dtype == tensor.dtype for name, tensor in tensors.items())


def test_the_newest_two_are_kept_and_the_newest_is_found(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None and newest_checkpoint(tmp_path / "none") is None
    for step in (2, 10, 9999999, 123456789):
        save_checkpoint(tmp_path, {"a": torch.tensor(step)}, TrainingPosition(step=step))
    found = newest_checkpoint(tmp_path)
    assert found is not None and found[1].step == 123456789 and int(found[0]["a"]) == 123456789
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("kind", ["empty", "cut", "foreign", "no position", "other position", "folder"])
def test_what_cannot_be_read_is_passed_over(kind: str, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, {"a": torch.zeros(50)}, AT_NINE)
    bad = tmp_path / "step-00000012.safetensors"
    if kind == "empty":
        bad.touch()
    elif kind == "cut":
        bad.write_bytes((tmp_path / "step-00000009.safetensors").read_bytes()[:-1])
    elif kind == "foreign":
        bad.write_bytes(b"\x80\x04\x95not a tensor in sight")
    elif kind == "folder":
        bad.mkdir()
    else:
        position = {} if kind == "no position" else {"position": json.dumps({"step": 12, "mood": "good"})}
        save_file({"a": torch.zeros(1)}, bad, metadata={"x": "y", **position})
    found = newest_checkpoint(tmp_path)
    assert found is not None and found[1] == AT_NINE


def test_best_weights_are_kept_with_those_before_and_missing_ones_are_named(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save_best_weights(tmp_path, {"a": torch.tensor(step)}, step)
    assert [int(read_best_weights(tmp_path, step)["a"]) for step in (2, 3)] == [2, 3]
    with pytest.raises(CapasError) as caught:
        read_best_weights(tmp_path, 1)
    assert caught.value.key == "checkpoints_damaged" and "best-00000001" in str(caught.value)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_restored_optimiser_steps_to_the_same_bits(
    name: Literal["sgd", "adamw"], layout: torch.memory_format, tmp_path: Path
) -> None:
    def begun() -> tuple[nn.Conv2d, torch.optim.Optimizer]:
        torch.manual_seed(1)
        network = nn.Conv2d(3, 6, 3).to(memory_format=layout)  # type: ignore[call-overload]
        return network, make_optimizer(name, [{"params": list(network.parameters()), "weight_decay": 0.1}])

    def steps(network: nn.Conv2d, optimizer: torch.optim.Optimizer, numbers: range) -> None:
        for number in numbers:
            optimizer.zero_grad()
            network(torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(number))).square().mean().backward()
            optimizer.param_groups[0]["lr"] = 0.05
            optimizer.step()

    whole, first = begun(), begun()
    steps(*whole, range(6))
    steps(*first, range(3))
    tensors = {**first[0].state_dict(), **optimizer_tensors({"correct": first[1]})}
    read, _ = read_checkpoint(save_checkpoint(tmp_path, tensors, TrainingPosition()))
    network, optimizer = begun()
    with torch.no_grad():
        for parameter_name, parameter in network.named_parameters():
            parameter.copy_(read[parameter_name])
    restore_optimizers({"correct": optimizer}, read)
    for state, parameter in zip(optimizer.state.values(), network.parameters(), strict=True):
        for value in state.values():
            assert value is None or value.ndim == 0 or value.stride() == parameter.stride()
    steps(network, optimizer, range(3, 6))
    assert all(torch.equal(p, q) for p, q in zip(network.parameters(), whole[0].parameters(), strict=True))
