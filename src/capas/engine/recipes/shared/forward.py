"""Forward passes in evaluation mode, and the adapter from batch dataclasses to positional arguments."""

from dataclasses import fields, is_dataclass

import torch
from torch import Tensor, nn

from capas.engine.execution import Execution


class DataclassInputAdapter(nn.Module):
    """Calls ``network`` with the fields of a dataclass, in their order."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: object) -> Tensor:
        assert is_dataclass(inputs)
        outputs: Tensor = self.network(*(getattr(inputs, field.name) for field in fields(inputs)))
        return outputs


@torch.no_grad()
def forward_batch(network: nn.Module, inputs: object, execution: Execution) -> Tensor:
    """Return the network's output in evaluation mode, float32 on the CPU; without gradients."""
    network.eval()
    with execution.autocast():
        outputs: Tensor = network(execution.place_batch(inputs))
    return outputs.float().cpu()
