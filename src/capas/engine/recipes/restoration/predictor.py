"""Inference and evaluation of image-to-image models."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from capas.bundle.export import Exportable
from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.core.rng import seeded_generator
from capas.data.image.color import rgb_to_lab
from capas.data.image.degradations import ImagePair, make_degraded_pair, mask_out, to_float_tensor, to_uint8_image
from capas.data.image.io import MAX_PIXELS, ImageCollection, read_image_info
from capas.data.image.segmentation_transforms import limit_size
from capas.data.inspect.report import DatasetReport
from capas.engine.execution import Execution
from capas.engine.recipe import Item, Prediction, TestResult
from capas.engine.recipes.restoration.evaluate import (
    evaluate_restoration,
)
from capas.engine.recipes.restoration.export import exportable_restorer
from capas.engine.recipes.restoration.restorer import Restorer
from capas.engine.recipes.shared.image_items import image_item, image_items, read_image_item, with_channels


@dataclass(frozen=True, kw_only=True, slots=True)
class RestorerCard(Restorer):
    """A ``Restorer`` as the bundle stores it.

    Attributes:
        noise: Strongest noise that it was trained on: standard deviation, 0..255.
    """

    noise: float


_ADAPTER: TypeAdapter[RestorerCard] = TypeAdapter(RestorerCard)


class RestorationPredictor:
    """A trained image-to-image model (``Predictor``)."""

    def __init__(self, network: nn.Module, restorer: RestorerCard) -> None:
        self._network = network
        self.restorer = restorer

    @staticmethod
    def reopen(bundle: Bundle) -> "RestorationPredictor":
        """Restore the model of ``bundle``. Raises CapasError ``bundle_incomplete``."""
        try:
            restorer = _ADAPTER.validate_python(bundle.file(PREPARATION))
            network = restorer.network()
        except (ValidationError, ValueError) as error:
            received = str(error).splitlines()[0]
            raise CapasError("bundle_incomplete", where=bundle.folder / PREPARATION, received=received) from error
        return RestorationPredictor(bundle.fill(network), restorer)

    @property
    def network(self) -> nn.Module:
        return self._network

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return image_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return image_item(content, number)

    def preprocess(self, item: Item) -> Tensor:
        """Return the network's input (C, H, W) at the image's own size, with the mask as last channel for
        inpainting.
        """
        if self.restorer.kind == "inpaint":
            return self._with_holes(item)
        picture = with_channels(
            read_image_item(item, scale=False), 3 if self.restorer.kind == "colourise" else self.restorer.channels
        )
        pixels = picture.shape[0] * picture.shape[1] * self.restorer.scale**2
        if pixels > MAX_PIXELS:
            received, limit = f"{pixels / 1e6:.0f}", f"{MAX_PIXELS / 1e6:g}"
            raise CapasError("picture_too_large", where=item.name, received=received, limit=limit)
        whole = to_float_tensor(picture)
        return rgb_to_lab(whole[None])[0, :1] if self.restorer.kind == "colourise" else whole

    def _with_holes(self, item: Item) -> Tensor:
        pixels = _with_transparency(item)
        mask = torch.from_numpy((pixels[..., 3] < 128).astype(np.float32))[None]
        if not mask.any() or mask.all():
            raise CapasError("hole_missing", where=item.name)
        return mask_out(to_float_tensor(with_channels(pixels[..., :3], self.restorer.channels)), mask)

    def predict(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        execution = _plain(self._network)
        results = []
        for name, source in zip(names, prepared, strict=True):
            assert isinstance(source, Tensor)
            picture = to_uint8_image(self.restorer.restore(self._network, source, execution))
            size = f"{picture.shape[1]}×{picture.shape[0]}"
            display_image = picture[..., 0] if picture.shape[2] == 1 else picture
            facts: dict[str, object] = {"width": picture.shape[1], "height": picture.shape[0]}
            results.append(
                Prediction(input=name, prediction=self.restorer.kind, text=size, facts=facts, picture=display_image)
            )
        return results

    def evaluate(self, report: DatasetReport, indices: Sequence[int]) -> TestResult:
        pairs = ((report.inputs.name(i), self._pair(report, i)) for i in indices)
        return evaluate_restoration(pairs, self.restorer, self._network, _plain(self._network))

    def _pair(self, report: DatasetReport, index: int) -> ImagePair:
        restorer, pictures = self.restorer, cast(ImageCollection, report.inputs)
        picture = with_channels(pictures.decode(index), restorer.channels)
        if restorer.kind == "pairs":
            if report.source.targets is None:
                raise CapasError("transform_no_pairs", where=report.source.root, kinds="pairs")
            target = to_float_tensor(
                with_channels(cast(ImageCollection, report.source.targets).decode(index), restorer.channels)
            )
            source = to_float_tensor(picture)
            if [restorer.scale * side for side in source.shape[1:]] != list(target.shape[1:]):
                received = "×".join(map(str, target.shape[1:]))
                raise CapasError("pair_of_other_size", where=pictures.name(index), received=received,
                                 factor=restorer.scale)  # fmt: skip
            return ImagePair(source=source, target=target)
        smaller = limit_size(picture, restorer.max_side)
        rng = seeded_generator(0, "spoil", report.keys[index])
        return make_degraded_pair(
            restorer.kind, smaller, factor=restorer.scale, noise=restorer.noise, rng=rng, training=False
        )  # fmt: skip

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        return exportable_restorer(self._network, self.restorer, [p for p in prepared if isinstance(p, Tensor)])


def _plain(network: nn.Module) -> Execution:
    device = next(network.parameters()).device
    return Execution(device=str(device), precision="float32", memory_format="contiguous", threads=1, reason="")


def _with_transparency(item: Item) -> NDArray[np.uint8]:
    """The image of an item, uint8 H×W×4. Raises CapasError ``hole_missing`` where it has no alpha channel."""
    if not isinstance(item.content, str | Path):
        array = read_image_item(item)
        if array.shape[2] != 4:
            raise CapasError("hole_missing", where=item.name)
        return array
    read_image_info(Path(item.content))  # the checks on what a header promises
    read_image_item(item, scale=False)
    with Image.open(item.content) as image:
        upright = ImageOps.exif_transpose(image)
        return np.array(upright.convert("RGBA"), dtype=np.uint8)
