"""Trivial baseline of classification: the most frequent class."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class MajorityClass:
    """Predicts the class frequencies of the training examples, whatever the input."""

    frequencies: Tensor

    @classmethod
    def fit(cls, labels: Tensor, num_classes: int) -> "MajorityClass":
        """Fit to N class indices."""
        return cls(frequencies=torch.bincount(labels, minlength=num_classes).float() / max(1, len(labels)))

    def predict(self, n: int) -> Tensor:
        """Return the frequencies n times, (n, K)."""
        return self.frequencies.expand(n, -1)
