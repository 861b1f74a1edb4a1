"""Export of networks that take preprocessed images."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from capas.bundle.export import Exportable, ExportInput
from capas.bundle.export_wrappers import NormalisedImageInput
from capas.data.image.preprocess import ImagePreprocessing


def exportable_images(network: nn.Module, preparation: ImagePreprocessing, pictures: Sequence[Tensor]) -> Exportable:
    """Return ``network`` with normalisation inside, compared on ``pictures`` (uint8 C×H×W) or on noise."""
    rng = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (16, *preparation.shape), dtype=torch.uint8, generator=rng)
    compared = torch.stack(list(pictures)) if pictures else noise
    export_input = ExportInput(
        name="pictures", axes=("batch", *preparation.shape), example=noise[:2],
        values="0..255; normalisation is inside the network",
    )  # fmt: skip
    return Exportable(
        network=NormalisedImageInput(network, preparation), inputs=[export_input], output="outputs", axes=("batch",),
        compared=[(compared,)], count=len(compared), facts={"preparation": preparation.as_json()},
    )  # fmt: skip
