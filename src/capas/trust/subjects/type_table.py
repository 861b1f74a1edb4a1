"""Literal tables from a class to what is built for its instances: the one place where trust asks for a class."""

from collections.abc import Callable, Iterable
from typing import Concatenate, ParamSpec, TypeVar

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")


def row(kind: type[T], build: Callable[Concatenate[T, P], R]) -> Callable[Concatenate[object, P], R | None]:
    """Return ``build`` for instances of ``kind``, as a function that returns None for everything else."""

    def apply(value: object, /, *args: P.args, **kwargs: P.kwargs) -> R | None:
        return build(value, *args, **kwargs) if isinstance(value, kind) else None

    return apply


def look_up(
    table: Iterable[Callable[Concatenate[object, P], R | None]], value: object, *args: P.args, **kwargs: P.kwargs
) -> R | None:
    """Return what the first row of ``table`` that knows the class of ``value`` builds; None where no row does."""
    found = (build(value, *args, **kwargs) for build in table)
    return next((one for one in found if one is not None), None)
