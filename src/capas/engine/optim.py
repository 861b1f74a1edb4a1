"""Optimisers, the one-cycle schedule and the moving average of the weights.

One cycle: Smith & Topin 2018, "Super-Convergence": the rate rises linearly, then falls as a cosine to zero. Averaged
weights: Polyak & Juditsky 1992, in the exponential form. Weight decay spares biases and the two vectors of each
normalisation, as is customary.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn


def schedule_factor(progress: float, *, warmup: float, schedule: Literal["one-cycle", "constant"]) -> float:
    """The share (0..1) of the peak rate at ``progress`` (0..1) of the way.

    >>> [round(rate_at(p, warmup=0.2, schedule="one-cycle"), 2) for p in (0.1, 0.2, 0.6, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if progress < warmup:
        return progress / warmup
    if schedule == "constant":
        return 1.0
    return (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2


def parameter_groups(
    network: nn.Module, *, learning_rate: float, weight_decay: float, head: str | None, backbone_rate: float
) -> list[dict[str, object]]:
    """Groups for an optimiser: matrices with decay, vectors without; below ``head`` at ``backbone_rate`` of the rate.

    ``head`` is the name of the layer or part that is new in a pretrained network, None for a network from scratch. What
    is frozen: everything else when ``backbone_rate`` is 0, and its normalisation in any case, because batches of a few
    pictures tell worse statistics than ImageNet did. Each group carries its own peak as "peak".
    """
    if head is not None:
        freeze_batch_norm(network, head)
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        is_head = head is None or name.startswith(f"{head}.")
        if not is_head and backbone_rate == 0:
            parameter.requires_grad_(False)
        if parameter.requires_grad:
            groups.setdefault((is_head, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": weight_decay if decays else 0.0,
            "peak": learning_rate * (1.0 if is_head else backbone_rate),
            "lr": 0.0,
        }
        for (is_head, decays), parameters in sorted(groups.items(), reverse=True)
    ]


def freeze_batch_norm(network: nn.Module, head: str) -> None:
    """Take every batch normalisation outside ``head`` out of learning; ``step.set_mode`` then leaves its statistics
    alone too."""
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not name.startswith(f"{head}."):
            module.requires_grad_(False)


def make_optimizer(name: Literal["sgd", "adamw"], groups: Sequence[dict[str, object]]) -> torch.optim.Optimizer:
    """Fused where the device has it: one pass over the memory instead of many."""
    if name == "sgd":
        return torch.optim.SGD(list(groups), lr=0.0, momentum=0.9, nesterov=True, fused=True)
    return torch.optim.AdamW(list(groups), lr=0.0, fused=True)


class WeightAverage:
    """An exponential moving average of everything a network holds, normalisation statistics included."""

    def __init__(self, networks: Mapping[str, nn.Module], decay: float) -> None:
        self.decay = decay
        self.tensors = {name: tensor.detach().clone() for name, tensor in named_tensors(networks).items()}

    @torch.no_grad()
    def update(self, networks: Mapping[str, nn.Module], step: int) -> None:
        """Move towards the current weights; the decay starts lower (``(1 + step) / (10 + step)``) so that the random
        first weights are soon forgotten.
        """
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        state = named_tensors(networks)
        floating = [name for name, tensor in self.tensors.items() if tensor.is_floating_point()]
        torch._foreach_lerp_([self.tensors[n] for n in floating], [state[n] for n in floating], weight)
        for name, tensor in self.tensors.items():
            if not tensor.is_floating_point():
                tensor.copy_(state[name])


def named_tensors(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """All parameters and buffers, by "network.tensor"."""
    return {
        f"{prefix}.{name}": tensor
        for prefix, network in networks.items()
        for name, tensor in network.state_dict().items()
    }


def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> None:
    """Scale the gradients down to a norm of ``max_norm``; 0 leaves them."""
    if max_norm:
        nn.utils.clip_grad_norm_(list(parameters), max_norm)
