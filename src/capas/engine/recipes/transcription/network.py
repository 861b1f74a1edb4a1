"""Recognition networks for training, and their forward pass on padded batches."""

import torch
from torch import Tensor, nn

from capas.core.rng import derive_seed
from capas.engine.config import Config
from capas.engine.execution import Execution
from capas.engine.recipes.transcription.input_protocol import PaddedSequences, SequenceInputs


class PaddedInputAdapter(nn.Module):
    """Calls ``network`` with the values and lengths of a batch."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, lines: PaddedSequences) -> tuple[Tensor, Tensor]:
        logits, frames = self.network(lines.values, lines.lengths)
        return logits, frames


def build_network(config: Config, inputs: SequenceInputs, num_labels: int) -> nn.Module:
    """Build the configured network with weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    return PaddedInputAdapter(inputs.network(num_labels, int(config.network.width), inputs.hidden)).train()


@torch.no_grad()
def forward_sequences(network: nn.Module, lines: PaddedSequences, execution: Execution) -> list[Tensor]:
    """Return the logits (T, K) of each example, float32 on the CPU, without the frames behind its end."""
    network.eval()
    with execution.autocast():
        logits, frames = network(execution.place_batch(lines))
    return [one[:count] for one, count in zip(logits.float().cpu(), frames.tolist(), strict=True)]
