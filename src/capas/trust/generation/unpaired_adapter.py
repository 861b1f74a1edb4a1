"""Translators between two collections without pairs: nobody knows the right answer; what can be looked at is what they
make of test pictures.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capas.data.image.io import ImageCollection
from capas.engine.recipe import Item
from capas.engine.recipes.unpaired_translation.predictor import UnpairedPredictor
from capas.sampling.pixels import to_pixels
from capas.trust.subjects.structured import StructuredAdapter


class UnpairedAdapter(StructuredAdapter):
    """``StructuredAdapter`` of translators; prepared inputs are float32 (C, H, W) in [-1, 1]."""

    kind = "translations"
    max_examples = 400
    no_attacks = "trust.many.no_attack_unpaired"
    no_explanations = "trust.many.no_zones_unpaired"

    def __init__(self, model: UnpairedPredictor, images: ImageCollection) -> None:
        self.model = model
        self.images = images

    def prepared(self, index: int) -> Tensor:
        return self.model.preprocess(Item(name=self.images.name(index), content=self.images.decode(index)))

    def there_and_back(self, indices: Sequence[int], own: int) -> list[tuple[NDArray[np.uint8], ...]]:
        """Return pictures of collection ``own``, each as it is, translated, and led back, uint8 (H, W[, 3])."""
        given = torch.stack([self.prepared(index) for index in indices])
        made, back = self.model.directions.back_and_forth(given, own)
        return list(zip(to_pixels(given), to_pixels(made), to_pixels(back), strict=True))
