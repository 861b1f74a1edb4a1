"""JIT compilation of loops by numba where it is installed (the extra ``archive``); numpy does the same without."""

import inspect
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


@cache
def jit_compiled(loop: Callable[P, R]) -> Callable[P, R] | None:
    """Return ``loop`` compiled, cached on disk between processes; None without numba."""
    if find_spec("numba") is None:
        return None
    from numba import njit

    # What checks shapes and types around the loop while tests run is no business of the compiler's.
    fast: Callable[P, R] = njit(cache=True, nogil=True)(inspect.unwrap(loop))
    return fast
