"""Starting from the weights of an earlier run, whatever its task: all but the last layer."""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

from capas.bundle.read import Bundle, read_bundle
from capas.bundle.shipped import model_folder
from capas.core.errors import CapasError
from capas.engine.run import find_run

ENCODER: Final = "encoder."


def find_bundle(where: str) -> Bundle:
    """Read the bundle of a run, a bundle folder or a shipped model. Raises those of ``find_run`` and
    ``read_bundle``.
    """
    folder = model_folder(where)
    if where == "latest" or (folder / "config.toml").is_file():
        folder = find_run(where).bundle
    return read_bundle(folder)


def initial_bundle(where: str, medium: str) -> Bundle:
    """Read the bundle that ``network.init_from`` names. Raises CapasError ``init_from_other_medium`` and those of
    ``find_bundle``.
    """
    bundle = find_bundle(where)
    if bundle.card.medium != medium:
        raise CapasError("init_from_other_medium", where=where, received=bundle.card.medium, medium=medium)
    return bundle


@torch.no_grad()
def load_initial_weights(network: nn.Module, tensors: Mapping[str, Tensor], *, head: str, where: str) -> None:
    """Copy the weights of an earlier network into ``network``; its last layer ``head`` begins at zero, so that every
    answer is equally likely at first.

    Raises CapasError ``init_from_other_network`` where a layer is missing or has another shape.
    """
    # Of a network that compares, the part that sees.
    tensors = {name.removeprefix(ENCODER): tensor for name, tensor in tensors.items()}
    for name, own in network.state_dict().items():
        if name == head or name.startswith(f"{head}."):
            own.zero_()
            continue
        other = tensors.get(name)
        if other is None or other.shape != own.shape:
            received = "–" if other is None else "×".join(map(str, other.shape))
            raise CapasError("init_from_other_network", where=where, received=f"{name}: {received}")
        own.copy_(other)
