"""Export of image-to-image networks: uint8 in, [0, 1] out, of any size."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from capas.bundle.export import Exportable, ExportInput
from capas.bundle.export_wrappers import ColourisedImage, InpaintedImage, RestoredImage
from capas.data.image.degradations import lab_channels_to_rgb
from capas.engine.recipes.restoration.restorer import COLOUR_DEPTH, COLOUR_SIDE, Restorer

RANDOM_SIDE: Final = 32
AXES: Final = ("batch", "height", "width")


def exportable_restorer(network: torch.nn.Module, restorer: Restorer, prepared: Sequence[Tensor]) -> Exportable:
    """Return an image-to-image network for export; ``prepared`` are preprocessed inputs (C, H, W)."""
    rng = torch.Generator().manual_seed(0)
    given = [one[None] for one in prepared] or [_noise(restorer, rng)]
    compared = [_as_bytes(restorer, one) for one in given]
    # Tracing takes a batch of two for one whose size is free.
    made_up = _as_bytes(restorer, _noise(restorer, rng))
    batch, height, width = AXES
    channels = 3 if restorer.kind == "colourise" else restorer.channels
    inputs = [ExportInput(name="pictures", axes=(batch, channels, height, width), values="0..255", example=made_up[0])]
    forms = {"colourise": ColourisedImage, "inpaint": InpaintedImage}
    if restorer.kind == "inpaint":
        description = "1 where the picture is to be painted in, else 0"
        inputs.append(ExportInput(name="holes", axes=(batch, 1, height, width), values=description, example=made_up[1]))
    grown = f"{restorer.scale} * " if restorer.scale > 1 else ""
    return Exportable(
        network=forms.get(restorer.kind, RestoredImage)(network), inputs=inputs, output="restored",
        axes=(batch, channels, f"{grown}{height}", f"{grown}{width}"), compared=compared,
        count=sum(len(one[0]) for one in compared), steps=_steps(restorer), facts=_facts(restorer),
    )  # fmt: skip


def _steps(restorer: Restorer) -> dict[str, int]:
    return dict.fromkeys(AXES[1:], 2**COLOUR_DEPTH) if restorer.kind == "colourise" else {}


def _facts(restorer: Restorer) -> dict[str, object]:
    facts: dict[str, object] = {"kind": restorer.kind, "restored": "0..1"}
    if restorer.kind == "colourise":
        facts["large_pictures"] = (
            f"bring the long side to {COLOUR_SIDE}, enlarge a and b of CIE Lab, keep the lightness"
        )
    return facts


def _noise(restorer: Restorer, rng: torch.Generator) -> Tensor:
    """Random preprocessed inputs (2, C, 32, 48)."""
    shape = (2, restorer.channels, RANDOM_SIDE, RANDOM_SIDE + RANDOM_SIDE // 2)
    if restorer.kind == "colourise":
        return 100 * torch.rand(2, 1, *shape[2:], generator=rng)
    noise = torch.rand(shape, generator=rng)
    if restorer.kind != "inpaint":
        return noise
    return torch.cat([noise, (torch.rand(2, 1, *shape[2:], generator=rng) < 0.1).float()], dim=1)


def _as_bytes(restorer: Restorer, source: Tensor) -> tuple[Tensor, ...]:
    """Preprocessed inputs as the exported network takes them."""
    if restorer.kind == "colourise":
        step = 2**COLOUR_DEPTH
        height, width = (max(step, side // step * step) for side in source.shape[2:])
        even = torch.nn.functional.interpolate(source, (height, width), mode="nearest")
        return (_bytes(torch.stack([lab_channels_to_rgb(one, one.new_zeros(2, height, width)) for one in even])),)
    if restorer.kind == "inpaint":
        return _bytes(source[:, :-1]), source[:, -1:].to(torch.uint8)
    return (_bytes(source),)


def _bytes(pictures: Tensor) -> Tensor:
    return (pictures.clamp(0, 1) * 255).round().to(torch.uint8)
