"""Per-example losses and correctness of single-label classification, as attacks maximise them."""

import torch
from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Return the cross-entropy −log p(y) (B), in nats, of logits (B, K) and targets (B)."""
    return functional.cross_entropy(logits, y, reduction="none")


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """Return max_{j≠y} z_j − z_y (B) of logits (B, K) and targets (B); above zero where the prediction is wrong.

    Unlike the cross-entropy it keeps its gradient where the softmax is saturated (Carlini & Wagner 2017, f₆).
    """
    others = logits.scatter(1, y[:, None], -torch.inf)
    return others.max(1).values - logits.gather(1, y[:, None])[:, 0]


def is_top1_correct(logits: Tensor, y: Tensor) -> Tensor:
    """Return whether the arg max of logits (B, K) is the target (B), as booleans (B)."""
    return logits.argmax(1) == y
