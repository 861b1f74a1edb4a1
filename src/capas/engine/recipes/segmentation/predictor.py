"""Inference and evaluation of segmentation models: masks at the image's own size, class shares, and an overlay."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.bundle.export import Exportable
from capas.bundle.export_wrappers import ProbabilityOutput
from capas.core.number_format import format_percent
from capas.data.image.io import ImageCollection
from capas.data.image.masks import MaskFiles
from capas.data.image.preprocess import ImagePreprocessing
from capas.data.image.segmentation_transforms import (
    color_palette,
    limit_size,
    mask_png,
    overlay_mask,
    resize_mask,
    upsample_prediction,
)
from capas.data.inspect.report import DatasetReport
from capas.engine.execution import Execution
from capas.engine.recipe import Item, Prediction, TestResult
from capas.engine.recipes.segmentation.evaluate import evaluate_segmentation
from capas.engine.recipes.segmentation.network import PREDICTION_BATCH
from capas.engine.recipes.shared.forward import forward_batch
from capas.engine.recipes.shared.image_export import exportable_images
from capas.engine.recipes.shared.image_items import image_item, image_items, read_image_item
from capas.metrics.segmentation import IGNORE_INDEX

MAX_DISPLAY_SIDE: Final = 2048  # larger pictures are shown smaller; their mask is of their own size


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentationInput:
    """A preprocessed image.

    Attributes:
        prepared: The network's input before normalisation, uint8 C×H×W.
        display_image: The image for the overlay, uint8 H×W×C, at most ``MAX_DISPLAY_SIDE`` a side.
        height: Original height in pixels.
        width: Original width in pixels.
    """

    prepared: Tensor
    display_image: NDArray[np.uint8]
    height: int
    width: int


class SegmentationPredictor:
    """A trained segmentation model (``Predictor``)."""

    def __init__(self, network: nn.Module, preparation: ImagePreprocessing, classes: Sequence[str]) -> None:
        self._network = network
        self.preparation = preparation
        self.classes = tuple(classes)
        self.colours = color_palette(len(classes))

    @property
    def network(self) -> nn.Module:
        return self._network

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return image_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return image_item(content, number)

    def preprocess(self, item: Item) -> SegmentationInput:
        picture = read_image_item(item, scale=False)
        height, width = picture.shape[:2]
        return SegmentationInput(
            prepared=self._fitted(picture),
            display_image=limit_size(picture, MAX_DISPLAY_SIDE),
            height=height,
            width=width,
        )

    def _fitted(self, picture: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(self.preparation.fit_image(picture).copy()).permute(2, 0, 1)

    def _logits(self, prepared: Sequence[Tensor]) -> Iterator[Tensor]:
        device = next(self._network.parameters()).device
        execution = Execution(device=str(device), precision="float32", memory_format="contiguous", threads=1, reason="")
        for start in range(0, len(prepared), PREDICTION_BATCH):
            inputs = self.preparation.normalise(torch.stack(list(prepared[start : start + PREDICTION_BATCH])))
            yield from forward_batch(self._network, inputs, execution)

    def predict(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        seen = [picture for picture in prepared if isinstance(picture, SegmentationInput)]
        logits = self._logits([picture.prepared for picture in seen])
        return [self._prediction(*both) for both in zip(names, seen, logits, strict=True)]

    def _prediction(self, name: str, image: SegmentationInput, logits: Tensor) -> Prediction:
        mask = upsample_prediction(logits, image.height, image.width).numpy()
        shares = np.bincount(mask.flatten(), minlength=len(self.classes)) / mask.size
        present = sorted((i for i in range(len(self.classes)) if shares[i]), key=lambda i: -shares[i])
        text = " · ".join(f"{self.classes[i]} {format_percent(float(shares[i]))}" for i in present[:5])
        return Prediction(
            input=name, prediction=[self.classes[i] for i in present], text=text,
            facts={"shares": {self.classes[i]: round(float(shares[i]), 6) for i in present}},
            picture=overlay_mask(image.display_image, resize_mask(mask, *image.display_image.shape[:2]), self.colours),
            files={".mask.png": mask_png(mask, self.colours)},
        )  # fmt: skip

    def evaluate(self, report: DatasetReport, indices: Sequence[int]) -> TestResult:
        pictures, masks = cast(ImageCollection, report.inputs), cast(MaskFiles, report.source.targets)
        known = {name: number for number, name in enumerate(self.classes)}
        table = torch.full((256,), IGNORE_INDEX, dtype=torch.uint8)
        for number, name in enumerate(report.detection.spec.classes):
            table[number] = known[name]
        answers = (
            (pictures.name(i), next(self._logits([self._fitted(pictures.decode(i))])),
             table[torch.from_numpy(masks.decode(i)).long()])
            for i in indices
        )  # fmt: skip
        return evaluate_segmentation(answers, self.classes)

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        pictures = [seen.prepared for seen in prepared if isinstance(seen, SegmentationInput)]
        raw = exportable_images(self._network, self.preparation, pictures)
        text = "of every pixel; enlarge them to the picture's own size (bilinear) and take the largest"
        return replace(
            raw, network=ProbabilityOutput(raw.network), output="probabilities",
            axes=("batch", len(self.classes), *self.preparation.shape[1:]),
            facts={"classes": list(self.classes), "probabilities": text, **raw.facts},
        )  # fmt: skip
