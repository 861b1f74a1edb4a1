"""How long a report may take: a deadline, each theme's share of what is left, and the stop of a theme beyond it.

A theme that can end early asks ``Deadline.expired`` between its steps and keeps what it has. One that does not is
ended: while ``enforced``, the first forward pass of any torch module after the deadline raises ``OutOfTime``. With time
to spare neither changes a figure.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from capas.trust.theme import THEMES, ThemeName

Clock = Callable[[], float]
MIN_REPORT_S: Final = 120.0
# Of a standard report on small images; a theme that needs less leaves the rest to those after it.
WEIGHTS: Final[Mapping[ThemeName, float]] = {
    "quality": 1, "calibration": 1, "ood": 6, "explanations": 6, "attacks": 6, "stickers": 6, "groups": 2, "labels": 8,
    "leakage": 4,
}  # fmt: skip
# A theme may take more than its share by this factor: most take less, and nothing is gained by leaving time over.
SLACK: Final = 2.0


class OutOfTime(Exception):
    """A theme came to the end of its share before it had anything to show."""


class Deadline:
    """A point in time, by default never.

    Args:
        seconds: Seconds from now.
        clock: Seconds on a clock that never goes back.
    """

    def __init__(self, seconds: float = float("inf"), clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self.allowed_s = seconds
        self._end = clock() + seconds

    @property
    def left_s(self) -> float:
        """Seconds left; negative once it is over."""
        return self._end - self.clock()

    @property
    def expired(self) -> bool:
        """Whether it is over."""
        return self.left_s <= 0

    def allows_another(self, done: int, began: float) -> bool:
        """Whether after ``done`` steps since ``began``, by ``clock``, there is time for one more that takes as long.

        The first step is always allowed.
        """
        return not done or self.left_s >= (self.clock() - began) / done

    def postpone(self, seconds: float) -> None:
        """Move it: what was computed meanwhile is of use to others too."""
        self._end += seconds

    def share(self, name: ThemeName, *, skipped: Collection[ThemeName] = ()) -> "Deadline":
        """Return the deadline of a theme: its weight's share of what is left, times ``SLACK``, never beyond this.

        Args:
            name: The theme.
            skipped: Themes that will need no time.
        """
        ahead = THEMES[THEMES.index(name) + 1 :]
        rest = WEIGHTS[name] + sum(WEIGHTS[theme] for theme in ahead if theme not in skipped)
        return Deadline(max(0.0, min(1.0, SLACK * WEIGHTS[name] / rest) * self.left_s), self.clock)


def report_budget_s(training_s: float, report_s: float = 0.0) -> float:
    """Return the seconds that a report may take.

    Args:
        training_s: Seconds that the training took.
        report_s: What the user allows; 0: as long as the training, and two minutes at least.

    >>> report_budget_s(60.0), report_budget_s(600.0), report_budget_s(600.0, 30.0)
    (120.0, 600.0, 30.0)
    """
    return report_s or max(MIN_REPORT_S, training_s)


_ENFORCED: ContextVar[Deadline | None] = ContextVar("enforced deadline", default=None)


@contextmanager
def enforced(deadline: Deadline) -> Iterator[None]:
    """Raise OutOfTime from the first forward pass of any module after ``deadline``."""

    def check(module: nn.Module, inputs: object) -> None:
        if _ENFORCED.get() is deadline and deadline.expired:
            raise OutOfTime

    token = _ENFORCED.set(deadline)
    handle = register_module_forward_pre_hook(check)
    try:
        yield
    finally:
        handle.remove()
        _ENFORCED.reset(token)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Compute something whole, and without counting it.

    That is what later themes need as well (the outputs on a split), and what a theme that ended early still needs to
    show what it has.
    """
    deadline = _ENFORCED.get()
    if deadline is None:
        yield
        return
    token, started = _ENFORCED.set(None), deadline.clock()
    try:
        yield
    finally:
        _ENFORCED.reset(token)
        deadline.postpone(deadline.clock() - started)
