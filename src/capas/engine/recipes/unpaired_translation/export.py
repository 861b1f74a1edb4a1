"""Export of one translator: uint8 in, [0, 1] out."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from capas.bundle.export import Exportable, ExportInput
from capas.engine.recipes.unpaired_translation.settings import TranslatorSettings

BATCH: Final = "batch"


class TranslatedImage(nn.Module):
    """Images (B, C, H, W), uint8 → translated images, float32 in [0, 1]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures_BCHW: Tensor) -> Tensor:
        """Return the translated images."""
        translated: Tensor = self.network(pictures_BCHW.float() / 127.5 - 1)
        return (translated + 1) / 2


def exportable_translator(
    network: nn.Module, settings: TranslatorSettings, target: str, prepared: Sequence[Tensor]
) -> Exportable:
    """Return a translator for export; ``prepared`` are images (C, H, W) in [-1, 1], ``target`` what they become."""
    rng = torch.Generator().manual_seed(0)
    noise = torch.randint(256, (2, *settings.shape), generator=rng).to(torch.uint8)
    given = [((one + 1) * 127.5).round().to(torch.uint8)[None] for one in prepared] or [noise]
    axes = (BATCH, *settings.shape)
    return Exportable(
        network=TranslatedImage(network), output="translated", axes=axes,
        inputs=[ExportInput(name="pictures", axes=axes, values="0..255", example=noise)],
        compared=[(one,) for one in given], count=sum(map(len, given)),
        facts={"translated": "0..1", "to": target},
    )  # fmt: skip
