"""Whether an image shows what its caption says, by a model that generates nothing.

A ridge regression learns from real training images to say what their captions' vectors are, from the images' features.
A caption is found again where, among it and nine others, it is nearest (by cosine) to what is said of the image. The
same is asked of real images that were kept apart: that is as good as this reader gets.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from capas.core.rng import seeded_generator
from capas.metrics.rate import Rate, rate

if TYPE_CHECKING:
    from sklearn.linear_model import Ridge

CHOICES: Final = 10  # captions to choose from: by chance one in ten is right
PENALTY: Final = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionReader:
    """A ridge regression from features to centred vectors of captions."""

    model: "Ridge"
    centre: Tensor

    @staticmethod
    def fit(features: Float[Tensor, "N D"], vectors: Float[Tensor, "N V"]) -> "CaptionReader":
        """Fit it to real images and their captions."""
        from sklearn.linear_model import Ridge

        centre = vectors.double().mean(0)
        return CaptionReader(model=Ridge(PENALTY).fit(features.numpy(), (vectors.double() - centre).numpy()),
                             centre=centre)  # fmt: skip

    def retrieval(self, features: Float[Tensor, "N D"], vectors: Float[Tensor, "N V"], seed: int) -> Rate:
        """Return the share of images whose own caption is preferred to nine different ones, drawn by ``seed``.

        With fewer captions than ten, to all others.
        """
        said = F.normalize(torch.from_numpy(self.model.predict(features.numpy())).double(), dim=1)
        different, own = torch.unique(vectors, dim=0, return_inverse=True)
        likeness = said @ F.normalize(different.double() - self.centre, dim=1).T
        order = torch.rand(likeness.shape, generator=seeded_generator(seed, "captions"))
        order.scatter_(1, own[:, None], -1.0)  # its own caption is always among them
        chosen = order.argsort(1)[:, :CHOICES]
        best = chosen.gather(1, likeness.gather(1, chosen).argmax(1, keepdim=True))[:, 0]
        return rate(int((best == own).sum()), len(own))
