"""TODO docstring."""

import torch
from torch import Tensor
from torch.nn import functional


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """−log p(y), per example: logits (B, K), y (B) → (B) in nats."""
    return functional.cross_entropy(logits, y, reduction="none")


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """The best other class's logit minus the right one's: (B, K), (B) → (B), above zero where the answer is wrong.

    Unlike the cross-entropy it keeps its gradient where the softmax is saturated (Carlini & Wagner 2017, f₆).
    """
    others = logits.scatter(1, y[:, None], -torch.inf)
    return others.max(1).values - logits.gather(1, y[:, None])[:, 0]


def is_top1_correct(logits: Tensor, y: Tensor) -> Tensor:
    """Whether the greatest logit is the target's: (B, K), (B) → (B)."""
    return logits.argmax(1) == y
