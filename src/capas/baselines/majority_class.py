"""TODO docstring."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class MajorityClass:
    """Answers the commonest class of the training examples, whatever it is shown."""

    frequencies: Tensor

    @classmethod
    def fit(cls, labels: Tensor, num_classes: int) -> "MajorityClass":
        """``labels``: N class indices."""
        return cls(frequencies=torch.bincount(labels, minlength=num_classes).float() / max(1, len(labels)))

    def predict(self, n: int) -> Tensor:
        """N×K probabilities: the frequencies, n times."""
        return self.frequencies.expand(n, -1)
