"""A class as further inputs: Mirza & Osindero, "Conditional Generative Adversarial Nets", 2014 (arXiv:1411.1784)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


class ClassCondition(nn.Module):
    """Puts the class of each example, one number of 0 or 1 for each of ``classes``, beside its other numbers.

    Without classes inputs stay as they are.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def beside(self, vectors: Float[Tensor, "B N"], classes: Int[Tensor, " B"] | None) -> Float[Tensor, "B M"]:
        """Return vectors (B, N + classes). Raises ValueError where ``classes`` are missing or superfluous."""
        marks = self._marks(classes)
        return vectors if marks is None else torch.cat([vectors, marks.to(vectors)], 1)

    def as_planes(self, images: Float[Tensor, "B C H W"], classes: Int[Tensor, " B"] | None) -> Tensor:
        """Return images (B, C + classes, H, W): a plane of 0 or 1 for each class. Raises as ``beside``."""
        marks = self._marks(classes)
        if marks is None:
            return images
        planes = marks.to(images)[:, :, None, None].expand(-1, -1, *images.shape[2:])
        return torch.cat([images, planes], 1)

    def _marks(self, classes: Tensor | None) -> Tensor | None:
        if (classes is None) != (self.classes == 0):
            raise ValueError(f"classes are {'missing' if classes is None else 'superfluous'}; made for {self.classes}")
        return None if classes is None else F.one_hot(classes, self.classes)
