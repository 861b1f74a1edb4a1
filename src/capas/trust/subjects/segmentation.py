"""Segmentation models, audited at the network's input size."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.data.collections import ExampleCollection
from capas.data.image.io import ImageCollection
from capas.data.image.masks import IGNORE_INDEX, MaskFiles
from capas.data.image.segmentation_transforms import resize_mask
from capas.engine.recipe import Item
from capas.engine.recipes.segmentation.predictor import SegmentationInput, SegmentationPredictor
from capas.trust.ood.image_probes import IMAGE_PROBES
from capas.trust.subjects.image_inputs import image_to_array, images_to_uint8, images_to_unit_range
from capas.trust.subjects.structured import (
    CalibrationSamples,
    ExampleEvaluation,
    LabelIssue,
    OODFeatures,
    StructuredKind,
)

PIXELS: Final = 3333  # of a picture: 200,000 of 60 pictures
MIN_CLASS_AREA: Final = 0.005  # of the known pixels: a smaller zone is not doubted


class UnitRangeSegmentationModel(nn.Module):
    """Maps images (B, C, H, W) in 0..1 to logits (B, K, H, W), with the preprocessing's normalisation inside."""

    def __init__(self, model: SegmentationPredictor) -> None:
        super().__init__()
        self.network = model.network
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(model.preparation.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(model.preparation.std).view(1, -1, 1, 1))

    def forward(self, pictures: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"]:
        """Return the logits."""
        outputs: Tensor = self.network((pictures - self.get_buffer("mean")) / self.get_buffer("std"))
        return outputs


class SegmentationFeatureExtractor:
    """``OODFeatureExtractor`` of segmentation models."""

    def __init__(self, model: SegmentationPredictor) -> None:
        self.forward = UnitRangeSegmentationModel(model)

    @torch.no_grad()
    def ood_features(self, prepared: object) -> OODFeatures:
        """Return as ``features`` the mean over the network's smallest feature map, the end of its encoder."""
        assert isinstance(prepared, SegmentationInput)
        picture = images_to_unit_range([prepared.prepared])
        smallest: list[Tensor] = []

        def hear(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            # Maps of 1×1 are those of squeeze-and-excitation, not of the picture.
            if output.shape[2:].numel() > 1 and (not smallest or output.shape[2:] <= smallest[0].shape[2:]):
                smallest[:] = [output]

        convolutions = [m for m in self.forward.network.modules() if isinstance(m, nn.Conv2d)]
        hooks = [module.register_forward_hook(hear) for module in convolutions]
        try:
            self.forward(picture)
        finally:
            for hook in hooks:
                hook.remove()
        return OODFeatures(features=smallest[0][0].float().mean((1, 2)), views=picture)

    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> dict[str, list[object]]:
        pictures = images_to_unit_range([one.prepared for one in prepared if isinstance(one, SegmentationInput)])
        return {
            name: [_seen(changed) for changed in images_to_uint8(probe(pictures, rng))]
            for name, probe in IMAGE_PROBES.items()
        }

    def display_image(self, prepared: object) -> NDArray[np.uint8]:
        assert isinstance(prepared, SegmentationInput)
        return image_to_array(prepared.prepared)


class SegmentationAdapter:
    """``StructuredAdapter`` of segmentation masks."""

    kind: StructuredKind = "masks"
    max_examples: int = 60

    def __init__(self, model: SegmentationPredictor, images: ImageCollection, masks: ExampleCollection | None) -> None:
        assert isinstance(masks, MaskFiles)
        self.model = model
        self.images = images
        self.masks = masks
        self.feature_extractor = SegmentationFeatureExtractor(model)
        self.forward = self.feature_extractor.forward

    def prepared(self, index: int) -> SegmentationInput:
        return self.model.preprocess(Item(name=self.images.name(index), content=self.images.decode(index)))

    def mask(self, index: int) -> UInt8[Tensor, "H W"]:
        """Return the target classes at the network's input size."""
        return torch.from_numpy(resize_mask(self.masks.decode(index), *self.model.preparation.shape[1:]))

    @torch.no_grad()
    def probabilities(self, index: int) -> Float[Tensor, "K H W"]:
        """Return the class probabilities of every pixel."""
        logits: Tensor = self.forward(images_to_unit_range([self.prepared(index).prepared]))
        return logits[0].softmax(0)

    def evaluate_example(self, index: int, position: int, rng: torch.Generator) -> ExampleEvaluation:
        targets, p = self.mask(index), self.probabilities(index)
        known = (targets != IGNORE_INDEX).flatten().nonzero().flatten()
        chosen = known[torch.randperm(len(known), generator=rng)[:PIXELS]]
        stated, predicted = p.flatten(1)[:, chosen].max(0)
        statements = CalibrationSamples(confidence=stated, correct=predicted == targets.flatten()[chosen])
        return ExampleEvaluation(calibration_samples=statements, label_issues=tuple(self._doubts(p, targets, position)))

    def label_issue_heatmap(self, index: int, issue: LabelIssue) -> NDArray[np.float32]:
        k = self.model.classes.index(issue.given_label)
        heat: NDArray[np.float32] = ((1 - self.probabilities(index)[k]) * (self.mask(index) == k)).numpy()
        return heat

    def _doubts(self, p: Tensor, targets: Tensor, position: int) -> list[LabelIssue]:
        """One for every class of the image: all of its pixels together."""
        names, known, found = self.model.classes, int((targets != IGNORE_INDEX).sum()), []
        for k, name in enumerate(names):
            own = p[:, targets == k]
            if own.shape[1] > MIN_CLASS_AREA * known:
                likely = int(torch.bincount(own.argmax(0), minlength=len(names)).argmax())
                found.append(LabelIssue(position=position, location="", given_label=name, predicted_label=names[likely],
                                   given_label_probability=float(own[k].mean())))  # fmt: skip
        return found


def _seen(picture: Tensor) -> SegmentationInput:
    return SegmentationInput(
        prepared=picture, display_image=image_to_array(picture), height=picture.shape[1], width=picture.shape[2]
    )
