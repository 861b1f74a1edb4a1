"""What the objectives here need of a batch."""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class TwoViewBatch(Protocol):
    """The same examples varied twice."""

    @property
    def first(self) -> Tensor:
        """Images (B, C, H, W)."""

    @property
    def second(self) -> Tensor:
        """The same examples in the same order, varied by chance of their own, (B, C, H, W)."""


@runtime_checkable
class UnlabelledBatch(Protocol):
    """Examples of which nothing else is known."""

    @property
    def inputs(self) -> Tensor:
        """Images (B, C, H, W) or spectrograms (B, 1, F, T)."""
