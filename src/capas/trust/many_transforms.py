"""Pictures that become pictures: no probability is stated, but an input can be unlike what was learnt from."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from capas.core.random import stream
from capas.data.made_pairs import make_pair
from capas.data.pictures import Pictures
from capas.data.zones import bounded
from capas.engine.recipe import Item
from capas.engine.recipes.restored import RestorationModel, with_channels
from capas.trust.many import Answered, Doubt, Kind, Sensed
from capas.trust.pixels import as_array
from capas.trust.probes import PROBES

SIDE: Final = 64  # at which pictures are redrawn
LIGHTNESS: Final = 100.0  # of a picture to be coloured, L in 0..100


class TransformSense:
    """``Sensing`` of pictures that become pictures."""

    def __init__(self, model: RestorationModel) -> None:
        self.model = model

    def sensed(self, prepared: object) -> Sensed:
        """``views``: the whole picture, small."""
        picture = functional.interpolate(
            self._shares(prepared)[None], (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True
        )
        return Sensed(features=None, views=picture.clamp(0, 1))

    def _shares(self, prepared: object) -> Float[Tensor, "C H W"]:
        """The colours in 0..1, without the channel of the holes."""
        assert isinstance(prepared, Tensor)
        if self.model.restorer.kind == "colourise":
            return prepared / LIGHTNESS
        return prepared[: self.model.restorer.channels].clamp(0, 1)

    def strange(self, prepared: Sequence[object], rng: torch.Generator) -> dict[str, list[object]]:
        return {name: [self._changed(one, probe(self._shares(one)[None], rng)[0]) for one in prepared]
                for name, probe in PROBES.items()}  # fmt: skip

    def _changed(self, prepared: object, colours: Tensor) -> Tensor:
        """``prepared`` with other colours."""
        assert isinstance(prepared, Tensor)
        if self.model.restorer.kind == "colourise":
            return colours * LIGHTNESS
        return torch.cat([colours, prepared[self.model.restorer.channels :]])

    def picture(self, prepared: object) -> NDArray[np.uint8]:
        return as_array(self._shares(prepared))


class TransformAnswers:
    """``ManyAnswers`` of pictures as answers; what is prepared is what the network is given, float32 C×H×W."""

    kind: Kind = "transforms"
    most: int = 400

    def __init__(self, model: RestorationModel, pictures: Pictures) -> None:
        self.model = model
        self.sense = TransformSense(model)
        self.pictures = pictures

    def prepared(self, index: int) -> Tensor:
        """Spoilt as in the test, where the pictures are spoilt."""
        restorer, picture = self.model.restorer, self.pictures.decode(index)
        if restorer.kind == "pairs":
            return self.model.read(Item(name=self.pictures.name(index), content=picture))
        smaller = bounded(with_channels(picture, restorer.channels), restorer.largest_side)
        rng = stream(0, "spoil", self.pictures.name(index))
        pair = make_pair(restorer.kind, smaller, factor=restorer.scale, noise=restorer.noise, rng=rng, training=False)
        return pair.given

    def answered(self, index: int, position: int, rng: torch.Generator) -> Answered | None:
        return None

    def doubted(self, index: int, doubt: Doubt) -> NDArray[np.float32] | None:
        return None
