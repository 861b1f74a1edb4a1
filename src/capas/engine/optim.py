"""Optimizers, the one-cycle schedule and the moving average of the weights.

One cycle: Smith & Topin 2018, "Super-Convergence": the rate rises linearly, then falls as a cosine to zero. Averaged
weights: Polyak & Juditsky 1992, in the exponential form. Weight decay spares biases and the two vectors of each
normalisation, as is customary.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from capas.objectives.base import OptimizerKind, Schedule


def schedule_factor(progress: float, *, warmup: float, schedule: Schedule) -> float:
    """Return the share, in [0, 1], of the peak learning rate at ``progress``, in [0, 1].

    >>> [round(schedule_factor(p, warmup=0.2, schedule="one-cycle"), 2) for p in (0.1, 0.2, 0.6, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if progress < warmup:
        return progress / warmup
    if schedule == "constant":
        return 1.0
    if schedule == "late-linear":
        return min(1.0, 2 * (1 - progress))
    return (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2


class Optimizer:
    """A torch optimizer with the schedule that its learning rates follow. Each group has its peak as ``"peak"``."""

    def __init__(self, inner: torch.optim.Optimizer, *, warmup: float, schedule: Schedule) -> None:
        self.inner = inner
        self.parameters: list[nn.Parameter] = [p for group in inner.param_groups for p in group["params"]]
        self._warmup = warmup
        self._schedule = schedule

    def set_rate(self, progress: float) -> None:
        """Bring the learning rates to where they are at ``progress``, in [0, 1]."""
        factor = schedule_factor(progress, warmup=self._warmup, schedule=self._schedule)
        for group in self.inner.param_groups:
            group["lr"] = group["peak"] * factor

    def zero_grad(self) -> None:
        """Forget the gradients of its parameters."""
        self.inner.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Correct the parameters by their gradients."""
        self.inner.step()


def parameter_groups(
    network: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    head: str | tuple[str, ...] | None = None,
    backbone_rate: float = 1.0,
    rate_factors: Mapping[str, float] | None = None,
    name: str = "",
) -> list[dict[str, object]]:
    """Return the groups of one network for an optimizer: matrices with weight decay, vectors without.

    Args:
        network: Its parameters that require gradients are grouped.
        learning_rate: Peak of the schedule.
        weight_decay: Of the matrices.
        head: Dotted names of the parts that are new in a pretrained network; None for a network from scratch. Outside
            of them normalisation is frozen in any case: a few images tell worse statistics than ImageNet did.
        backbone_rate: Share of the rate outside of the head, in [0, 1]; 0 freezes it.
        rate_factors: See ``OptimizerSpec``; names there begin with ``name``.
        name: The network's own.
    """
    if head is not None:
        freeze_batch_norm(network, head)
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for inner, parameter in network.named_parameters():
        in_head = head is None or inner.startswith(_beginnings(head))
        if not in_head and backbone_rate == 0:
            parameter.requires_grad_(False)
        if parameter.requires_grad:
            factor = (1.0 if in_head else backbone_rate) * _longest_match(rate_factors or {}, f"{name}.{inner}")
            groups.setdefault((factor, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": weight_decay if decays else 0.0,
            "peak": learning_rate * factor,
            "lr": 0.0,
        }
        for (factor, decays), parameters in sorted(groups.items(), key=lambda pair: pair[0], reverse=True)
    ]


def _longest_match(factors: Mapping[str, float], name: str) -> float:
    matching = [beginning for beginning in factors if name == beginning or name.startswith(f"{beginning}.")]
    return factors[max(matching, key=len)] if matching else 1.0


def _beginnings(head: str | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{name}." for name in ((head,) if isinstance(head, str) else head))


def freeze_batch_norm(network: nn.Module, head: str | tuple[str, ...]) -> None:
    """Take every batch normalisation outside ``head`` out of learning; ``step.set_mode`` then leaves its statistics
    alone too."""
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not name.startswith(_beginnings(head)):
            module.requires_grad_(False)


def make_optimizer(
    kind: OptimizerKind, groups: Sequence[dict[str, object]], betas: tuple[float, float] | None = None
) -> torch.optim.Optimizer:
    """Return the optimizer, fused: one pass over the memory instead of many. ``betas`` are Adam's, (0.9, 0.999) where
    none are given."""
    if kind == "sgd":
        return torch.optim.SGD(list(groups), lr=0.0, momentum=0.9, nesterov=True, fused=True)
    adam = torch.optim.Adam if kind == "adam" else torch.optim.AdamW
    return adam(list(groups), lr=0.0, betas=betas or (0.9, 0.999), fused=True)


class WeightAverage:
    """An exponential moving average of all that networks hold, normalisation statistics included; ``decays`` by
    network, in [0, 1)."""

    def __init__(self, networks: Mapping[str, nn.Module], decays: Mapping[str, float]) -> None:
        self.decays = dict(decays)
        self.tensors = {name: tensor.detach().clone() for name, tensor in self._current(networks).items()}

    def _current(self, networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        return named_tensors({name: networks[name] for name in self.decays})

    @torch.no_grad()
    def update(self, networks: Mapping[str, nn.Module], step: int) -> None:
        """Move towards the current weights; the decay starts lower (``(1 + step) / (10 + step)``) so that the random
        first weights are soon forgotten.
        """
        state = self._current(networks)
        for network, decay in self.decays.items():
            weight = 1 - min(decay, (1 + step) / (10 + step))
            names = [name for name in state if name.startswith(f"{network}.")]
            floating = [name for name in names if state[name].is_floating_point()]
            torch._foreach_lerp_([self.tensors[n] for n in floating], [state[n] for n in floating], weight)
            for name in names:
                if not state[name].is_floating_point():
                    self.tensors[name].copy_(state[name])


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
