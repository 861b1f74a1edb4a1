"""A class for every pixel, questioned at the size that the network sees."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.data.inputs import Inputs
from capas.data.masks import VOID, Masks
from capas.data.pictures import Pictures
from capas.data.zones import fit_mask
from capas.engine.recipe import Item
from capas.engine.recipes.mask_answers import MaskModel, SeenPicture
from capas.trust.many import Answered, Doubt, Kind, Sensed, Statements
from capas.trust.pixels import as_array, as_prepared, as_shares
from capas.trust.probes import PROBES

PIXELS: Final = 3333  # of a picture: 200,000 of 60 pictures
LEAST_AREA: Final = 0.005  # of the known pixels: a smaller zone is not doubted


class DensePixels(nn.Module):
    """Pictures (B, C, H, W) in 0..1 → logits (B, K, H, W), the preparation's own scaling inside."""

    def __init__(self, model: MaskModel) -> None:
        super().__init__()
        self.network = model.network
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(model.preparation.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(model.preparation.std).view(1, -1, 1, 1))

    def forward(self, pictures: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"]:
        """See the class."""
        outputs: Tensor = self.network((pictures - self.get_buffer("mean")) / self.get_buffer("std"))
        return outputs


class MaskSense:
    """``Sensing`` of pictures that become masks."""

    def __init__(self, model: MaskModel) -> None:
        self.forward = DensePixels(model)

    @torch.no_grad()
    def sensed(self, prepared: object) -> Sensed:
        """``features``: the mean over the smallest map of the network, the end of its encoder."""
        assert isinstance(prepared, SeenPicture)
        picture = as_shares([prepared.prepared])
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
        return Sensed(features=smallest[0][0].float().mean((1, 2)), views=picture)

    def strange(self, prepared: Sequence[object], rng: torch.Generator) -> dict[str, list[object]]:
        pictures = as_shares([one.prepared for one in prepared if isinstance(one, SeenPicture)])
        return {
            name: [_seen(changed) for changed in as_prepared(probe(pictures, rng))] for name, probe in PROBES.items()
        }

    def picture(self, prepared: object) -> NDArray[np.uint8]:
        assert isinstance(prepared, SeenPicture)
        return as_array(prepared.prepared)


class MaskAnswers:
    """``ManyAnswers`` of masks."""

    kind: Kind = "masks"
    most: int = 60

    def __init__(self, model: MaskModel, pictures: Pictures, masks: Inputs | None) -> None:
        assert isinstance(masks, Masks)
        self.model = model
        self.pictures = pictures
        self.masks = masks
        self.sense = MaskSense(model)
        self.forward = self.sense.forward

    def prepared(self, index: int) -> SeenPicture:
        return self.model.read(Item(name=self.pictures.name(index), content=self.pictures.decode(index)))

    def mask(self, index: int) -> UInt8[Tensor, "H W"]:
        """The true classes at the size that the network sees."""
        return torch.from_numpy(fit_mask(self.masks.decode(index), *self.model.preparation.shape[1:]))

    @torch.no_grad()
    def probabilities(self, index: int) -> Float[Tensor, "K H W"]:
        """Of every class in every pixel."""
        logits: Tensor = self.forward(as_shares([self.prepared(index).prepared]))
        return logits[0].softmax(0)

    def answered(self, index: int, position: int, rng: torch.Generator) -> Answered:
        truth, p = self.mask(index), self.probabilities(index)
        known = (truth != VOID).flatten().nonzero().flatten()
        chosen = known[torch.randperm(len(known), generator=rng)[:PIXELS]]
        stated, called = p.flatten(1)[:, chosen].max(0)
        statements = Statements(stated=stated, true=called == truth.flatten()[chosen])
        return Answered(statements=statements, doubts=tuple(self._doubts(p, truth, position)))

    def doubted(self, index: int, doubt: Doubt) -> NDArray[np.float32]:
        k = self.model.classes.index(doubt.given)
        heat: NDArray[np.float32] = ((1 - self.probabilities(index)[k]) * (self.mask(index) == k)).numpy()
        return heat

    def _doubts(self, p: Tensor, truth: Tensor, position: int) -> list[Doubt]:
        """One for every class of the picture: all of its pixels together."""
        names, known, found = self.model.classes, int((truth != VOID).sum()), []
        for k, name in enumerate(names):
            own = p[:, truth == k]
            if own.shape[1] > LEAST_AREA * known:
                likely = int(torch.bincount(own.argmax(0), minlength=len(names)).argmax())
                found.append(Doubt(position=position, place="", given=name, likely=names[likely],
                                   probability=float(own[k].mean())))  # fmt: skip
        return found


def _seen(picture: Tensor) -> SeenPicture:
    return SeenPicture(prepared=picture, shown=as_array(picture), height=picture.shape[1], width=picture.shape[2])
