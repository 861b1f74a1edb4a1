"""Segmentation models, audited at the network's input size."""

from collections.abc import Mapping, Sequence
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
from capas.engine.recipes.single_output.feature_hooks import convolution_outputs
from capas.trust.ood.image_probes import IMAGE_PROBES
from capas.trust.subjects.image_inputs import image_to_array, images_to_uint8, images_to_unit_range
from capas.trust.subjects.structured import (
    CalibrationSamples,
    ExampleEvaluation,
    LabelIssue,
    OODFeatureExtractor,
    OODFeatures,
    StructuredAdapter,
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


class SegmentationFeatureExtractor(OODFeatureExtractor):
    """``OODFeatureExtractor`` of segmentation models."""

    def __init__(self, model: SegmentationPredictor) -> None:
        self.forward = UnitRangeSegmentationModel(model)

    @torch.no_grad()
    def ood_features(self, prepared: object) -> OODFeatures:
        """Return as ``features`` the mean over the network's smallest feature map, the end of its encoder."""
        picture = images_to_unit_range([_image_of(prepared)])
        with convolution_outputs(self.forward.network) as maps:
            self.forward(picture)
        # The last of the smallest; maps of 1×1 are those of squeeze-and-excitation, not of the picture.
        smallest = min((one for one in reversed(maps) if one.shape[2:].numel() > 1), key=lambda one: one.shape[2:])
        return OODFeatures(features=smallest[0].float().mean((1, 2)), views=picture)

    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> Mapping[str, Sequence[object]]:
        pictures = images_to_unit_range(list(map(_image_of, prepared)))
        return {
            name: [_seen(changed) for changed in images_to_uint8(probe(pictures, rng))]
            for name, probe in IMAGE_PROBES.items()
        }

    def display_image(self, prepared: object) -> NDArray[np.uint8]:
        return image_to_array(_image_of(prepared))

    def heatmap_background(self, prepared: object) -> NDArray[np.uint8]:
        """Return the image as it was given: it was squashed as a whole, so enlarging a heatmap undoes that."""
        shown = _segmentation_input(prepared).display_image
        return shown[..., 0] if shown.shape[2:] == (1,) else shown


class SegmentationAdapter(StructuredAdapter):
    """``StructuredAdapter`` of segmentation masks, which is a ``PixelClassifier``."""

    kind = "masks"
    max_examples = 60
    statements = "trust.many.statements_masks"
    feature_extractor: SegmentationFeatureExtractor

    def __init__(
        self, model: SegmentationPredictor, images: ExampleCollection, masks: ExampleCollection | None
    ) -> None:
        assert isinstance(images, ImageCollection) and isinstance(masks, MaskFiles)
        self.model = model
        self.images = images
        self.masks = masks
        self.feature_extractor = SegmentationFeatureExtractor(model)
        self.forward, self.classes = self.feature_extractor.forward, model.classes
        self.num_pixels = model.preparation.shape[1] * model.preparation.shape[2]
        self.pixels = self

    def prepared(self, index: int) -> SegmentationInput:
        return self.model.preprocess(Item(name=self.images.name(index), content=self.images.decode(index)))

    def image(self, index: int) -> Float[Tensor, "C H W"]:
        return images_to_unit_range([self.prepared(index).prepared])[0]

    def mask(self, index: int) -> UInt8[Tensor, "H W"]:
        return torch.from_numpy(resize_mask(self.masks.decode(index), *self.model.preparation.shape[1:]))

    @torch.no_grad()
    def probabilities(self, index: int) -> Float[Tensor, "K H W"]:
        logits: Tensor = self.forward(self.image(index)[None])
        return logits[0].softmax(0)

    def evaluate_example(self, index: int, position: int, rng: torch.Generator) -> ExampleEvaluation:
        targets, p = self.mask(index), self.probabilities(index)
        known = (targets != IGNORE_INDEX).flatten().nonzero().flatten()
        chosen = known[torch.randperm(len(known), generator=rng)[:PIXELS]]
        stated, predicted = p.flatten(1)[:, chosen].max(0)
        statements = CalibrationSamples(confidence=stated, correct=predicted == targets.flatten()[chosen])
        return ExampleEvaluation(calibration_samples=statements, label_issues=tuple(self._doubts(p, targets, position)))

    def label_issue_heatmap(self, index: int, issue: LabelIssue) -> NDArray[np.float32]:
        k = self.classes.index(issue.given_label)
        heat: NDArray[np.float32] = ((1 - self.probabilities(index)[k]) * (self.mask(index) == k)).numpy()
        return heat

    def _doubts(self, p: Tensor, targets: Tensor, position: int) -> list[LabelIssue]:
        """One for every class of the image: all of its pixels together."""
        names, known, found = self.classes, int((targets != IGNORE_INDEX).sum()), []
        for k, name in enumerate(names):
            own = p[:, targets == k]
            if own.shape[1] > MIN_CLASS_AREA * known:
                likely = int(torch.bincount(own.argmax(0), minlength=len(names)).argmax())
                found.append(LabelIssue(position=position, location="", given_label=name, predicted_label=names[likely],
                                   given_label_probability=float(own[k].mean())))  # fmt: skip
        return found


def _segmentation_input(prepared: object) -> SegmentationInput:
    assert isinstance(prepared, SegmentationInput)
    return prepared


def _image_of(prepared: object) -> Tensor:
    return _segmentation_input(prepared).prepared


def _seen(picture: Tensor) -> SegmentationInput:
    return SegmentationInput(
        prepared=picture, display_image=image_to_array(picture), height=picture.shape[1], width=picture.shape[2]
    )
