"""Images in 0..1 as differentiable inputs of an image model, for gradients, attacks and patches."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.networks.vision.flip_tta import FlipTTA

MIN_MAP_SIDE = 4


class UnitRangeImageModel(nn.Module):
    """Maps images (B, C, H, W) in 0..1 to raw outputs (B, K), with the preprocessing's normalisation inside."""

    def __init__(self, reader: ImageReader) -> None:
        super().__init__()
        self.network = reader.network
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

    def feature_map_and_logits(self, images: Float[Tensor, "B C H W"]) -> tuple[Tensor, Tensor]:
        """Return the last feature map of 4×4 or more (B, D, h, w), and the raw outputs (B, K) that follow from it.

        With flip test-time augmentation those of the unflipped image.

        Raises:
            ValueError: There is no such map.
        """
        network = self.network.network if isinstance(self.network, FlipTTA) else self.network
        maps: list[Tensor] = []

        def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if min(output.shape[2:]) >= MIN_MAP_SIDE:
                maps.append(output)

        hooks = [m.register_forward_hook(keep) for m in network.modules() if isinstance(m, nn.Conv2d)]
        try:
            outputs: Tensor = network((images - self.get_buffer("mean")) / self.get_buffer("std"))
        finally:
            for hook in hooks:
                hook.remove()
        if not maps:
            raise ValueError("the network makes no map of 4×4 or more")
        return maps[-1], outputs


def images_to_unit_range(prepared: Sequence[object]) -> Float[Tensor, "B C H W"]:
    """Stack prepared images (uint8, C×H×W each) in 0..1."""
    return torch.stack([p for p in prepared if isinstance(p, Tensor)]).float() / 255


def images_to_uint8(images: Float[Tensor, "B C H W"]) -> list[Tensor]:
    """Convert images in 0..1 back to prepared ones, uint8."""
    return list((images.clamp(0, 1) * 255).round().to(torch.uint8))


def image_to_array(image: Tensor) -> NDArray[np.uint8]:
    """Return an image (C, H, W), uint8 or in 0..1, as uint8 (H, W) or (H, W, 3) for display."""
    held = image if image.dtype == torch.uint8 else (image.clamp(0, 1) * 255).round().to(torch.uint8)
    array: NDArray[np.uint8] = held.permute(1, 2, 0).contiguous().numpy()
    return array[..., 0] if array.shape[2] == 1 else array
