"""MAE, learning to rebuild what is hidden: He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022
(arXiv:2111.06377), Section 3.

Chance decides, in every step anew, which 75 % of the patches of each image are hidden from the encoder; the loss is the
mean squared error of the decoder's pixels in those patches, after each patch has been brought to mean 0 and deviation 1
("Reconstruction target").

Shapes: B batch, N patches, P numbers of a patch.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext
from capas.objectives.self_supervised.batches import UnlabelledBatch
from capas.objectives.similarity import full_precision


@runtime_checkable
class Reconstruction(Protocol):
    """What a masked autoencoder makes of images."""

    @property
    def predicted(self) -> Tensor:
        """Predicted patches (B, N, P)."""

    @property
    def patches(self) -> Tensor:
        """The patches themselves, (B, N, P)."""

    @property
    def hidden(self) -> Tensor:
        """True where a patch was hidden, bool (B, N)."""


@runtime_checkable
class MaskedAutoencoding(Protocol):
    """The networks of a masked autoencoder: ``MaskedAutoencoder`` of ``capas.networks.representation``."""

    @property
    def encoder(self) -> nn.Module:
        """What is kept afterwards."""

    @property
    def decoder(self) -> nn.Module:
        """What predicts the hidden patches."""

    @property
    def num_patches(self) -> int:
        """Patches of an image, N."""

    def __call__(self, images_BCHW: Tensor, noise: Tensor, ratio: float) -> Reconstruction:
        """Hide the share ``ratio`` of the patches, those with the most ``noise`` (B, N), and predict them."""


def masked_patch_loss(
    predicted: Float[Tensor, "B N P"],
    patches: Float[Tensor, "B N P"],
    hidden: Bool[Tensor, "B N"],
    *,
    normalise: bool = True,
) -> Float[Tensor, ""]:
    """Return the mean squared error of the hidden patches.

    Args:
        predicted: Predicted patches.
        patches: The patches themselves.
        hidden: True where a patch counts; as many of each image.
        normalise: Bring each patch to mean 0 and deviation 1 first: the error of knowing nothing is then about 1.
    """
    if normalise:
        deviation = (patches.var(2, keepdim=True) + 1e-6).sqrt()
        patches = (patches - patches.mean(2, keepdim=True)) / deviation
    errors = (full_precision(predicted) - patches).square().mean(2)
    return errors[hidden].mean()


class MAE:
    """Objective of a masked autoencoder.

    Args:
        autoencoder: Encoder and decoder.
        ratio: Share of the patches that is hidden, in (0, 1).
        normalise: Predict each patch after bringing it to mean 0 and deviation 1.
    """

    deployed: Sequence[str] = ("encoder",)

    def __init__(self, autoencoder: MaskedAutoencoding, *, ratio: float = 0.75, normalise: bool = True) -> None:
        if not 0 < ratio < 1:
            raise ValueError(f"ratio is {ratio}; expected 0 < value < 1")
        self.networks: Mapping[str, nn.Module] = {"encoder": autoencoder.encoder, "decoder": autoencoder.decoder}
        self.phases: Sequence[Phase] = (Phase(name="correct", loss="loss", networks=tuple(self.networks)),)
        self.autoencoder = autoencoder
        self.ratio = ratio
        self.normalise = normalise

    def losses(self, batch: UnlabelledBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        images = batch.inputs
        noise = context.uniform(len(images), self.autoencoder.num_patches).to(images.device)
        made = self.autoencoder(images, noise, self.ratio)
        return {"loss": masked_patch_loss(made.predicted, made.patches, made.hidden, normalise=self.normalise)}
