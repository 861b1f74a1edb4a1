"""Forward passes: in evaluation mode, without gradients, with a dataclass as positional arguments."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from capas.engine.execution import Execution
from capas.engine.recipes.shared.forward import DataclassInputAdapter, forward_batch
from tests.engine.recipes.made_work import FLOAT32


@dataclass(frozen=True, kw_only=True)
class Pair:
    minuend: Tensor
    subtrahend: Tensor


class Difference(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a - b


def test_fields_are_passed_in_their_order() -> None:
    pair = Pair(subtrahend=torch.tensor([1.0]), minuend=torch.tensor([5.0]))
    assert DataclassInputAdapter(Difference())(pair).tolist() == [4.0]
    with pytest.raises(AssertionError):
        DataclassInputAdapter(Difference())(torch.zeros(1))


def test_nothing_is_dropped_and_nothing_is_recorded() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.9)).train()
    inputs = torch.tensor([[1.0, 2.0]])
    found = forward_batch(network, inputs, FLOAT32)
    expected = inputs @ network[0].weight.T + network[0].bias
    torch.testing.assert_close(found, expected.detach())
    assert not found.requires_grad and not network.training


def test_the_answer_is_float32_whatever_was_multiplied() -> None:
    network, inputs = nn.Linear(8, 3), torch.randn(4, 8)
    coarse = Execution(device="cpu", precision="bfloat16", memory_format="contiguous", threads=1, reason="")
    found = forward_batch(network, inputs, coarse)
    exact = forward_batch(network, inputs, FLOAT32)
    assert found.dtype == torch.float32 and not torch.equal(found, exact)
    torch.testing.assert_close(found, exact, atol=0.05, rtol=0.05)


def test_every_tensor_of_a_dataclass_is_placed() -> None:
    class Places(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return torch.tensor([a.is_contiguous(memory_format=torch.channels_last), b.ndim])

    last = Execution(device="cpu", precision="float32", memory_format="channels_last", threads=1, reason="")
    pair = Pair(minuend=torch.zeros(2, 3, 4, 5), subtrahend=torch.zeros(2))
    assert forward_batch(DataclassInputAdapter(Places()), pair, last).tolist() == [1, 1]
    assert forward_batch(DataclassInputAdapter(Places()), pair, FLOAT32).tolist() == [0, 1]
