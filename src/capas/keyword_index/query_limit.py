"""A bound on the time of a search, and its end when nobody waits for it any more.

A query of thirty characters can match every word of an archive. Whoever answers other people's queries puts them under
a limit::

    limit = QueryLimit(seconds=10)
    with limited(limit):  # in this thread, and in those that inherit its context
        search_spots(store, query)

Everything that walks over words or spots calls ``check_query_limit``; databases are interrupted.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar

from capas.core.errors import CapasError

T = TypeVar("T")
CHECK_EVERY: Final = 256  # items between two looks at the clock


class QueryLimit:
    """A deadline ``seconds`` from now, which may be brought forward by ``cancel`` from any thread."""

    def __init__(self, *, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """End the search at its next check: nobody waits for it."""
        self._cancelled.set()

    @property
    def remaining_s(self) -> float:
        """Seconds left, at least 0."""
        return 0.0 if self._cancelled.is_set() else max(0.0, self._end - time.monotonic())


_CURRENT: ContextVar[QueryLimit | None] = ContextVar("query_limit", default=None)


@contextmanager
def limited(limit: QueryLimit) -> Iterator[None]:
    """Put the searches within the context under a limit."""
    token = _CURRENT.set(limit)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_limit() -> QueryLimit | None:
    """Return the limit of this context, if there is one."""
    return _CURRENT.get()


def exceeds_query_limit() -> bool:
    """Return whether the search has to end."""
    limit = _CURRENT.get()
    return limit is not None and limit.remaining_s <= 0


def check_query_limit() -> None:
    """Raise CapasError ``query_too_slow`` where the search has to end."""
    if exceeds_query_limit():
        raise query_too_slow()


def query_too_slow() -> CapasError:
    """Return the error of a search that was ended."""
    limit = _CURRENT.get()
    return CapasError("query_too_slow", received=f"{limit.seconds:g} s" if limit else "")


def checked(items: Iterable[T]) -> Iterator[T]:
    """Iterate over ``items``, looking at the clock now and then. Raises CapasError ``query_too_slow``."""
    for number, item in enumerate(items):
        if number % CHECK_EVERY == 0:
            check_query_limit()
        yield item
