"""TODO docstring."""

from collections.abc import Callable

from torch import Tensor

ForwardFunction = Callable[[Tensor], Tensor]
ExampleLoss = Callable[[Tensor, Tensor], Tensor]
CorrectnessFunction = Callable[[Tensor, Tensor], Tensor]
