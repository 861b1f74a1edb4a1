"""Types of functions on models: forward pass, per-example loss (outputs, targets), and per-example correctness."""

from collections.abc import Callable

from torch import Tensor

ForwardFunction = Callable[[Tensor], Tensor]
ExampleLoss = Callable[[Tensor, Tensor], Tensor]
CorrectnessFunction = Callable[[Tensor, Tensor], Tensor]
