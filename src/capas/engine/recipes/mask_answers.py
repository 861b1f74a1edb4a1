"""The answers of a model of zones: masks at the picture's own size, their figures, and how a person sees them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.bundle.export import Exportable
from capas.bundle.export_forms import Probabilities
from capas.core.errors import CapasError
from capas.core.figures import percent
from capas.data.look import Look
from capas.data.masks import Masks
from capas.data.pictures import Pictures
from capas.data.preparation import Preparation
from capas.data.zones import bounded, enlarged_answer, fit_mask, mask_png, overlaid, palette
from capas.engine.choose import Execution
from capas.engine.recipe import Item, Prediction, Tested
from capas.engine.recipes.one_answer import outputs_of
from capas.engine.recipes.pictures import exportable_pictures, picture_items, read_picture
from capas.tasks.segmentation import VOID, pixel_confusions, segmentation_figures

BATCH: Final = 16
SHOWN_SIDE: Final = 2048  # larger pictures are shown smaller; their mask is of their own size


def tested_on(
    answers: Iterable[tuple[str, Tensor, Tensor]], classes: Sequence[str], common: int | None = None
) -> Tested:
    """Figures from names, logits K×h×w and true masks H×W; beside them those of answering ``common`` everywhere."""
    found, constant = [], []
    rows: list[list[str]] = [["example", "mean_iou", "pixel_accuracy"]]
    for name, logits, mask in answers:
        answer = enlarged_answer(logits, *mask.shape)
        found.append(pixel_confusions(answer[None], mask[None], len(classes)))
        if common is not None:
            constant.append(pixel_confusions(torch.full_like(mask, common)[None], mask[None], len(classes)))
        rows.append([name, *_one_picture(found[-1][0])])
    confusions = torch.cat(found)
    if not confusions.any():
        raise CapasError("masks_all_void", received=len(found))
    figures = segmentation_figures(confusions, classes)
    baseline = {"most_frequent_class": segmentation_figures(torch.cat(constant), classes)} if constant else {}
    return Tested(
        n=len(found), metrics=figures.metrics_json(), rows=rows, per_class=figures.per_class_json(),
        baseline={name: other.metrics_json() for name, other in baseline.items()},
    )  # fmt: skip


def _one_picture(confusion: Tensor) -> tuple[str, str]:
    hits = confusion.diagonal().double()
    iou = (hits / (confusion.sum(0) + confusion.sum(1) - confusion.diagonal())).nanmean()
    accuracy = hits.sum() / confusion.sum()
    return ("", "") if iou.isnan() else (f"{float(iou):.6f}", f"{float(accuracy):.6f}")


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenPicture:
    """A picture to be answered: ``prepared`` uint8 C×H×W, ``shown`` as a person would look at it, its own size."""

    prepared: Tensor
    shown: NDArray[np.uint8]
    height: int
    width: int


class MaskModel:
    """A finished model (``Answering``) of the classes of pixels."""

    def __init__(self, network: nn.Module, preparation: Preparation, classes: Sequence[str]) -> None:
        self._network = network
        self.preparation = preparation
        self.classes = tuple(classes)
        self.colours = palette(len(classes))

    @property
    def network(self) -> nn.Module:
        return self._network

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return picture_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return picture_item(content, number)

    def read(self, item: Item) -> SeenPicture:
        picture = read_picture(item)
        height, width = picture.shape[:2]
        return SeenPicture(
            prepared=self._fitted(picture), shown=bounded(picture, SHOWN_SIDE), height=height, width=width
        )

    def _fitted(self, picture: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(self.preparation.fit_picture(picture).copy()).permute(2, 0, 1)

    def _logits(self, prepared: Sequence[Tensor]) -> Iterator[Tensor]:
        device = next(self._network.parameters()).device
        execution = Execution(device=str(device), precision="float32", memory_format="contiguous", threads=1, reason="")
        for start in range(0, len(prepared), BATCH):
            inputs = self.preparation.normalise(torch.stack(list(prepared[start : start + BATCH])))
            yield from outputs_of(self._network, inputs, execution)

    def answer(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        seen = [picture for picture in prepared if isinstance(picture, SeenPicture)]
        logits = self._logits([picture.prepared for picture in seen])
        return [self._prediction(*both) for both in zip(names, seen, logits, strict=True)]

    def _prediction(self, name: str, seen: SeenPicture, logits: Tensor) -> Prediction:
        mask = enlarged_answer(logits, seen.height, seen.width).numpy()
        shares = np.bincount(mask.flatten(), minlength=len(self.classes)) / mask.size
        present = sorted((i for i in range(len(self.classes)) if shares[i]), key=lambda i: -shares[i])
        told = " · ".join(f"{self.classes[i]} {percent(float(shares[i]))}" for i in present[:5])
        return Prediction(
            input=name, prediction=[self.classes[i] for i in present], text=told,
            facts={"shares": {self.classes[i]: round(float(shares[i]), 6) for i in present}},
            picture=overlaid(seen.shown, fit_mask(mask, *seen.shown.shape[:2]), self.colours),
            files={".mask.png": mask_png(mask, self.colours)},
        )  # fmt: skip

    def retest(self, seen: Look, indices: Sequence[int]) -> Tested:
        pictures, masks = cast(Pictures, seen.inputs), cast(Masks, seen.source.targets)
        known = {name: number for number, name in enumerate(self.classes)}
        table = torch.full((256,), VOID, dtype=torch.uint8)
        for number, name in enumerate(seen.detection.spec.classes):
            table[number] = known[name]
        answers = (
            (pictures.name(i), next(self._logits([self._fitted(pictures.decode(i))])),
             table[torch.from_numpy(masks.decode(i)).long()])
            for i in indices
        )  # fmt: skip
        return tested_on(answers, self.classes)

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        pictures = [seen.prepared for seen in prepared if isinstance(seen, SeenPicture)]
        raw = exportable_pictures(self._network, self.preparation, pictures)
        told = "of every pixel; enlarge them to the picture's own size (bilinear) and take the largest"
        return replace(
            raw, network=Probabilities(raw.network), output="probabilities",
            axes=("batch", len(self.classes), *self.preparation.shape[1:]),
            facts={"classes": list(self.classes), "probabilities": told, **raw.facts},
        )  # fmt: skip


def picture_item(content: object, number: int) -> Item:
    """A path or an array given from Python."""
    return Item(name=str(content) if isinstance(content, str | Path) else f"array {number}", content=content)
