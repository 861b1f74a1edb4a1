"""Images as the inputs of a model under test, and in 0..1 as differentiable ones for gradients, attacks and patches."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.data.collections import ExampleCollection
from capas.engine.recipes.single_output.feature_hooks import (
    MIN_MAP_SIDE,
    convolution_outputs,
    forward_with_features,
    layers_of,
)
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.networks.vision.efficientnet_weights import pretrained_lite0
from capas.networks.vision.flip_tta import FlipTTA
from capas.trust.explanations.parameter_randomization import with_randomized_parameters
from capas.trust.ood.image_probes import IMAGE_PROBES, fine_grain, flat_colour
from capas.trust.ood.input_measures import image_measures
from capas.trust.subjects.input_adapter import InputAdapter

COSTLY_SIDE, COSTLY_DEPTH = 96, 30
LARGE = 60_000  # values in an image
NEIGHBOUR_SIDE = 12


class ImageInputAdapter(InputAdapter):
    """``InputAdapter`` of images; prepared inputs are uint8 (C, H, W).

    They are expensive over 96 pixels a side, or with more than 30 convolutions.
    """

    reader: ImageReader

    def __init__(self, reader: ImageReader) -> None:
        self.reader = self.images = reader
        shape = reader.preparation.shape
        convolutions = len(layers_of(reader.network, nn.Conv2d))
        self.is_expensive = min(shape[1:]) > COSTLY_SIDE or convolutions > COSTLY_DEPTH
        self.is_large = math.prod(shape) > LARGE

    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> Mapping[str, Sequence[object]]:
        images = images_to_unit_range(prepared)
        return {name: images_to_uint8(probe(images, rng)) for name, probe in IMAGE_PROBES.items()}

    def linear_features(self, prepared: Sequence[object], num_classes: int) -> Float[Tensor, "N D"]:
        """Return the embeddings of a pretrained network."""
        network = pretrained_lite0(num_classes=num_classes, stochastic_depth=0.0)
        return forward_with_features(ImageReader(network.eval(), self.reader.preparation), prepared).features

    def content_probes(
        self, prepared: Sequence[object], train: Sequence[object], labels: Sequence[int]
    ) -> Mapping[str, Sequence[object]]:
        """Return the median colour of each image, and its finest grain."""
        images = images_to_unit_range(prepared)
        parts = torch.split(images, 16)  # nine times as large for a moment
        grain = torch.cat([fine_grain(part, torch.Generator().manual_seed(0)) for part in parts])
        return {"flat_colour": images_to_uint8(flat_colour(images)), "fine_grain": images_to_uint8(grain)}

    def properties(self, prepared: Sequence[object]) -> Mapping[str, Float[Tensor, " N"]]:
        values = images_to_unit_range(prepared).flatten(1)
        return {"brightness": values.mean(1), "contrast": values.std(1)}

    def measures(self, measured: Sequence[object], state: Mapping[str, Tensor]) -> Mapping[str, Float[Tensor, " N"]]:
        parts = [image_measures(images_to_unit_range(part)) for part in _batches(measured)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]} if parts else {}

    def neighbour_features(self, inputs: ExampleCollection, rows: Sequence[int], without: str) -> Float[Tensor, "N D"]:
        """Return the pixels at 12×12."""
        images = (images_to_unit_range([self.reader.preprocess_example(inputs, i)]) for i in rows)
        return torch.cat([torch.nn.functional.adaptive_avg_pool2d(one, NEIGHBOUR_SIDE).flatten(1) for one in images])

    def display_image(self, prepared: object) -> NDArray[np.uint8]:
        return image_to_array(prepared_image(prepared))


def _batches(prepared: Sequence[object], size: int = 64) -> list[Sequence[object]]:
    return [prepared[start : start + size] for start in range(0, len(prepared), size)]


class UnitRangeImageModel(nn.Module):
    """Maps images (B, C, H, W) in 0..1 to raw outputs (B, K), with the preprocessing's normalisation inside."""

    def __init__(self, reader: ImageReader) -> None:
        super().__init__()
        self.reader, self.network = reader, reader.network
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
            if parameter.ndim == 4:  # half as long per picture, on a processor
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        self.register_buffer("mean", torch.tensor(reader.preparation.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(reader.preparation.std).view(1, -1, 1, 1))

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Return the raw outputs."""
        scaled = (images - self.get_buffer("mean")) / self.get_buffer("std")
        outputs: Tensor = self.network(scaled.contiguous(memory_format=torch.channels_last))
        return outputs

    def randomized(self, rng: torch.Generator) -> "UnitRangeImageModel":
        """Return the same with random weights, which no saliency map may resemble."""
        network = with_randomized_parameters(self.network, rng).eval()
        return UnitRangeImageModel(ImageReader(network, self.reader.preparation))

    def feature_map_and_logits(self, images: Float[Tensor, "B C H W"]) -> tuple[Tensor, Tensor]:
        """Return the last feature map of 4×4 or more (B, D, h, w), and the raw outputs (B, K) that follow from it.

        With flip test-time augmentation those of the unflipped image.

        Raises:
            ValueError: There is no such map.
        """
        network = self.network.network if isinstance(self.network, FlipTTA) else self.network
        with convolution_outputs(network) as maps:
            outputs: Tensor = network((images - self.get_buffer("mean")) / self.get_buffer("std"))
        large = [one for one in maps if min(one.shape[2:]) >= MIN_MAP_SIDE]
        if not large:
            raise ValueError("the network makes no map of 4×4 or more")
        return large[-1], outputs


def prepared_image(prepared: object) -> Tensor:
    """Return a prepared input (C, H, W) of an image model."""
    assert isinstance(prepared, Tensor)
    return prepared


def images_to_unit_range(prepared: Sequence[object]) -> Float[Tensor, "B C H W"]:
    """Stack prepared images (uint8, C×H×W each) in 0..1."""
    return torch.stack(list(map(prepared_image, prepared))).float() / 255


def images_to_uint8(images: Float[Tensor, "B C H W"]) -> list[Tensor]:
    """Convert images in 0..1 back to prepared ones, uint8."""
    return list((images.clamp(0, 1) * 255).round().to(torch.uint8))


def image_to_array(image: Tensor) -> NDArray[np.uint8]:
    """Return an image (C, H, W), uint8 or in 0..1, as uint8 (H, W) or (H, W, 3) for display."""
    held = image if image.dtype == torch.uint8 else (image.clamp(0, 1) * 255).round().to(torch.uint8)
    array: NDArray[np.uint8] = held.permute(1, 2, 0).contiguous().numpy()
    return array[..., 0] if array.shape[2] == 1 else array
