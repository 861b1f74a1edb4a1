"""Forward hooks that collect a network's features before its last linear layer, and an earlier feature map."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from capas.engine.recipes.single_output.inputs import InputReader
from capas.networks.layers import PackedLinear

Layer = TypeVar("Layer", bound=nn.Module)
BATCH = 128
MIN_MAP_SIDE = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelOutputs:
    """What the network computes for N inputs.

    Attributes:
        outputs: Raw outputs, shape (N, K).
        features: Inputs of the last linear layer, shape (N, D); of K packed layers side by side, D = K·H.
        multilayer_features: ``features`` concatenated with an earlier feature map, shape (N, E).
    """

    outputs: Tensor
    features: Tensor
    multilayer_features: Tensor


@torch.no_grad()
def forward_with_features(reader: InputReader[object], prepared: Sequence[object]) -> ModelOutputs:
    """Run the network of ``reader`` on prepared inputs, in batches."""
    outputs, features, wide = [], [], []
    with FeatureHooks(reader.network) as hooks:
        for start in range(0, len(prepared), BATCH):
            outputs.append(reader.network(reader.collate(prepared[start : start + BATCH])).float())
            hidden, both = hooks.collect(outputs[-1])
            features.append(hidden)
            wide.append(both)
    return ModelOutputs(outputs=torch.cat(outputs), features=torch.cat(features), multilayer_features=torch.cat(wide))


class FeatureHooks:
    """Context manager that records the input of the last linear layer and the last convolutional map of 4×4 or more.

    Of layers packed side by side the inputs of all are taken. The map still holds what the last layer has discarded.
    """

    def __init__(self, network: nn.Module) -> None:
        self._last = last_linear(network)
        self._convolutions = layers_of(network, nn.Conv2d)
        self._hidden: Tensor | None = None
        self._map: Tensor | None = None
        self._again = False
        self._hooks: list[RemovableHandle] = []

    def __enter__(self) -> "FeatureHooks":
        if self._last is not None:
            self._hooks.append(self._last.register_forward_pre_hook(self._hear_hidden))
        self._hooks += [module.register_forward_hook(self._hear_map) for module in self._convolutions]
        return self

    def __exit__(self, *exc: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _hear_hidden(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        # A mirrored network asks twice: the first time for the picture as it is.
        if not self._again:
            self._hidden, self._again = inputs[0].detach(), True

    def _hear_map(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not self._again and min(output.shape[2:]) >= MIN_MAP_SIDE:
            self._map = output.detach()

    def collect(self, outputs: Float[Tensor, "B K"]) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B E"]]:
        """Return the features since the last call: alone, and concatenated with the map.

        Where the network has no linear layer the outputs stand for its input.
        """
        hidden, maps = self._hidden, self._map
        self._hidden, self._map, self._again = None, None, False
        last = (outputs if hidden is None or len(hidden) != len(outputs) else hidden).flatten(1).float()
        return last, concat_layer_features([last] if maps is None else [last, maps.float()])


class LastLinearHook:
    """Context manager that averages the input of the last linear layer over time steps, for single inputs."""

    def __init__(self, network: nn.Module) -> None:
        self._layer = layers_of(network, nn.Linear)[-1]
        self._heard: Tensor | None = None

    def __enter__(self) -> "LastLinearHook":
        self._hook = self._layer.register_forward_pre_hook(self._hear)
        return self

    def __exit__(self, *exc: object) -> None:
        self._hook.remove()

    def _hear(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._heard = inputs[0].detach()

    def features(self) -> Float[Tensor, " D"]:
        """Return the features of the last forward pass."""
        assert self._heard is not None
        return self._heard.flatten(0, -2).float().mean(0)


def last_linear(network: nn.Module) -> nn.Module | None:
    """Return the last linear layer in the order of the network's definition, packed or not; None without one."""
    found = [module for module in network.modules() if isinstance(module, nn.Linear | PackedLinear)]
    return found[-1] if found else None


def layers_of(network: nn.Module, kind: type[Layer]) -> list[Layer]:
    """Return the layers of a class, in the order of the network's definition."""
    return [module for module in network.modules() if isinstance(module, kind)]


@contextmanager
def convolution_outputs(network: nn.Module) -> Iterator[list[Tensor]]:
    """Yield a list that collects the output (B, C, H, W) of every convolution computed meanwhile, in order."""
    maps: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        maps.append(output)

    hooks = [module.register_forward_hook(keep) for module in layers_of(network, nn.Conv2d)]
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()


_MAP_SIDE: Final = 2


def concat_layer_features(layers: Sequence[Float[Tensor, "N ..."]]) -> Float[Tensor, "N D"]:
    """Concatenate several layers with equal weight to one row per example.

    Maps (N, C, H, W) are average-pooled to 2×2, then each layer is normalised to length one.

    Raises:
        ValueError: ``layers`` is empty.
    """
    if not layers:
        raise ValueError("layers is empty; expected at least one")
    rows = [F.adaptive_avg_pool2d(layer, _MAP_SIDE) if layer.ndim == 4 else layer for layer in layers]
    return torch.cat([F.normalize(row.flatten(1), dim=1) for row in rows], dim=1)
