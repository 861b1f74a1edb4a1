"""Losses that compare the examples of all ranks with each other.

``StepContext.gather`` gives the values of all ranks without their gradients, and the engine averages gradients over
ranks. Here each rank puts its own rows, with gradients, into what was gathered, computes the loss of the whole batch,
and multiplies its gradient by the number of ranks. The average is then the gradient that one process would have.
"""

import torch
from torch import Tensor

from capas.objectives.base import StepContext
from capas.objectives.similarity import full_precision


def gather_with_gradient(own: Tensor, context: StepContext) -> Tensor:
    """Return the tensors (N, …) of all ranks as (N · world_size, …), of which this rank's rows carry gradients."""
    if context.world_size == 1:
        return own
    own = full_precision(own)  # not every backend exchanges bfloat16
    parts = list(context.gather(own.detach()).chunk(context.world_size))
    parts[context.rank] = own
    return torch.cat(parts)


def scale_gradient(loss: Tensor, factor: float) -> Tensor:
    """Return ``loss`` with its value as it is and its gradient times ``factor``."""
    return loss if factor == 1 else loss * factor - loss.detach() * (factor - 1)
