"""Image restoration models: they state no probability, but an input can be out of distribution."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from capas.core.rng import seeded_generator
from capas.data.collections import ExampleCollection
from capas.data.image.degradations import make_degraded_pair
from capas.data.image.io import ImageCollection
from capas.data.image.segmentation_transforms import limit_size
from capas.engine.recipe import Item
from capas.engine.recipes.restoration.predictor import RestorationPredictor
from capas.engine.recipes.shared.image_items import with_channels
from capas.trust.ood.image_probes import IMAGE_PROBES
from capas.trust.subjects.image_inputs import image_to_array, prepared_image
from capas.trust.subjects.structured import OODFeatureExtractor, OODFeatures, StructuredAdapter

SIDE: Final = 64  # at which pictures are redrawn
LIGHTNESS: Final = 100.0  # of a picture to be coloured, L in 0..100


class RestorationFeatureExtractor(OODFeatureExtractor):
    """``OODFeatureExtractor`` of image restoration models."""

    def __init__(self, model: RestorationPredictor) -> None:
        self.model = model

    def ood_features(self, prepared: object) -> OODFeatures:
        """Return as ``views`` the whole image, reduced."""
        picture = functional.interpolate(
            self._shares(prepared)[None], (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True
        )
        return OODFeatures(features=None, views=picture.clamp(0, 1))

    def _shares(self, prepared: object) -> Float[Tensor, "C H W"]:
        """The colours in 0..1, without the channel of the holes."""
        if self.model.restorer.kind == "colourise":
            return prepared_image(prepared) / LIGHTNESS
        return prepared_image(prepared)[: self.model.restorer.channels].clamp(0, 1)

    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> Mapping[str, Sequence[object]]:
        return {name: [self._changed(one, probe(self._shares(one)[None], rng)[0]) for one in prepared]
                for name, probe in IMAGE_PROBES.items()}  # fmt: skip

    def _changed(self, prepared: object, colours: Tensor) -> Tensor:
        """``prepared`` with other colours."""
        if self.model.restorer.kind == "colourise":
            return colours * LIGHTNESS
        return torch.cat([colours, prepared_image(prepared)[self.model.restorer.channels :]])

    def display_image(self, prepared: object) -> NDArray[np.uint8]:
        return image_to_array(self._shares(prepared))


class RestorationAdapter(StructuredAdapter):
    """``StructuredAdapter`` of image targets; prepared inputs are float32 (C, H, W), as the network takes them."""

    kind = "transforms"
    max_examples = 400
    no_attacks = "trust.many.no_attack_transforms"
    no_explanations = "trust.many.no_zones_transforms"
    feature_extractor: RestorationFeatureExtractor

    def __init__(
        self, model: RestorationPredictor, images: ExampleCollection, targets: ExampleCollection | None = None
    ) -> None:
        assert isinstance(images, ImageCollection)
        self.model = model
        self.feature_extractor = RestorationFeatureExtractor(model)
        self.images = images

    def prepared(self, index: int) -> Tensor:
        """Return the input image, degraded as in the test where the problem degrades images."""
        restorer, picture = self.model.restorer, self.images.decode(index)
        if restorer.kind == "pairs":
            return self.model.preprocess(Item(name=self.images.name(index), content=picture))
        smaller = limit_size(with_channels(picture, restorer.channels), restorer.max_side)
        rng = seeded_generator(0, "spoil", self.images.name(index))
        pair = make_degraded_pair(
            restorer.kind, smaller, factor=restorer.scale, noise=restorer.noise, rng=rng, training=False
        )
        return pair.source
