"""A bound on what a bundle's card can make this computer allocate.

A network is built from the card's settings before the weights are put into it. A card that says "width 10000" would
fill the memory, though the file beside it has half a megabyte of weights. While a bundle is opened, what its network
registers is counted against what the file holds, and no single tensor is made that is larger than all of it.
"""

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from torch.utils._python_dispatch import TorchDispatchMode

from capas.core.errors import CapasError

# Beyond what the file holds: buffers that are computed, and modules without weights.
SPARE_ELEMENTS: Final = 4_000_000
SPARE_MODULES: Final = 2_000
MODULES_PER_TENSOR: Final = 20
# How networks and torch say that there is none with such settings, or that memory cannot be had.
REFUSALS: Final = (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError, AssertionError)


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


class _LargestTensor(TorchDispatchMode):
    """Refuses sizes of new tensors before their memory is had: some layers fill their weights before registering them.

    Args:
        elements: Most elements of one tensor.
    """

    def __init__(self, elements: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.elements = elements

    def __torch_dispatch__(
        self, func: Callable[..., object], types: object, args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:  # fmt: skip
        """Run one operation of torch. Raises TooLarge where it makes, by its first argument, too large a tensor."""
        size = args[0] if args and isinstance(args[0], list | tuple) else ()
        lengths = [one for one in size if isinstance(one, int)]
        if len(lengths) == len(size) and math.prod(lengths) > self.elements and not _UNCOUNTED.get():
            raise TooLarge
        return func(*args, **(kwargs or {}))


@contextmanager
def bounded_by(tensors: Mapping[str, Tensor], *, where: Path) -> Iterator[None]:
    """Let the networks that this thread builds within the context have no more elements than ``tensors``, but for some.

    Parameters are counted when they are registered; that nothing large is filled before, ``_LargestTensor`` sees to.

    Raises:
        CapasError: ``bundle_too_large`` where they have more, ``bundle_incomplete`` where the settings make no network.
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
            with _LargestTensor(left["elements"]):
                yield
        except (TooLarge, MemoryError, OverflowError) as error:
            received = f"{elements:,}"
            raise CapasError("bundle_too_large", where=where, received=received) from error
        except REFUSALS as error:
            received = " ".join((str(error) or type(error).__name__).split())[:200]
            raise CapasError("bundle_incomplete", where=where, received=received) from error
