"""A bound on what a bundle's card can make this computer allocate.

A network is built from the card's settings before the weights are put into it. A card that says "width 10000" would
fill the memory, though the file beside it has half a megabyte of weights. While a bundle is opened, what its network
registers is counted against what the file holds.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from capas.core.errors import CapasError

# Beyond what the file holds: buffers that are computed, and modules without weights.
SPARE_ELEMENTS: Final = 4_000_000
SPARE_MODULES: Final = 2_000
MODULES_PER_TENSOR: Final = 20


_UNCOUNTED: ContextVar[bool] = ContextVar("uncounted", default=False)


@contextmanager
def uncounted() -> Iterator[None]:
    """Build what is not of the bundle within the context, such as an encoder that is installed: its size is known."""
    token = _UNCOUNTED.set(True)
    try:
        yield
    finally:
        _UNCOUNTED.reset(token)


class TooLarge(Exception):
    """The network has more than the file holds."""


@contextmanager
def bounded_by(tensors: Mapping[str, Tensor], *, where: Path) -> Iterator[None]:
    """Let the networks that this thread builds within the context have no more elements than ``tensors``, but for some.

    Parameters are counted when they are registered: their memory is reserved by then, but nothing is written to it.

    Raises:
        CapasError: ``bundle_too_large`` where they have more, ``bundle_incomplete`` where torch refuses a size.
    """
    thread = threading.get_ident()
    elements = sum(tensor.numel() for tensor in tensors.values())
    left = {"elements": elements + SPARE_ELEMENTS, "modules": MODULES_PER_TENSOR * len(tensors) + SPARE_MODULES}

    def count(name: str, amount: int) -> None:
        if threading.get_ident() == thread and not _UNCOUNTED.get():
            left[name] -= amount
            if left[name] < 0:
                raise TooLarge

    def count_tensor(module: nn.Module, name: str, tensor: Tensor | None) -> None:
        count("elements", 0 if tensor is None else tensor.numel())

    def count_module(module: nn.Module, name: str, part: nn.Module | None) -> None:
        count("modules", 1)

    with ExitStack() as hooks:
        for handle in (
            register_module_parameter_registration_hook(count_tensor),
            register_module_buffer_registration_hook(count_tensor),
            register_module_module_registration_hook(count_module),
        ):
            hooks.callback(handle.remove)
        try:
            yield
        except (TooLarge, MemoryError, OverflowError) as error:
            received = f"{elements:,}"
            raise CapasError("bundle_too_large", where=where, received=received) from error
        except RuntimeError as error:  # torch's way to say that memory cannot be had, or a size is none
            raise CapasError("bundle_incomplete", where=where, received=str(error).splitlines()[0][:200]) from error
