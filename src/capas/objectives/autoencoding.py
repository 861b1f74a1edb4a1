"""Learning to rebuild the data from a code: Hinton & Salakhutdinov, "Reducing the Dimensionality of Data with Neural
Networks", Science 2006, and denoising, Vincent, Larochelle, Bengio & Manzagol, "Extracting and Composing Robust
Features with Denoising Autoencoders", ICML 2008.

Losses, the sum over the numbers of an example, in nats or squared units:

- "cross_entropy": −Σ x ln x̂ + (1 − x) ln (1 − x̂), for images in [0, 1] (the paper, for digits);
- "squared_error": Σ (x − x̂)² (the paper, for faces);
- "multinomial": −Σ p ln p̂, for documents as shares of words p (the paper's softmax).

Denoising: of the input a share is set to zero and noise is added; the loss compares with the clean input (Vincent et
al., Section 2.3, and Vincent et al., JMLR 2010, for Gaussian noise).

Layer-wise start: deep logistic networks that begin at random hardly learn at first. The paper learns one layer after
the other as a restricted Boltzmann machine. Where we deviate: each layer is learnt as a shallow denoising autoencoder
of what the layers below it give, which are fixed meanwhile (Bengio et al., "Greedy Layer-Wise Training of Deep
Networks", NIPS 2006, and Vincent et al. 2008, Section 2.4), in equal shares of the first ``START`` of the schedule.
Hidden layers of logistic units are compared by cross-entropy, those of rectified ones, which have no upper end, by
squared error before rectification: where a unit is at rest that still has a slope.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, cast, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext
from capas.objectives.self_supervised.batches import UnlabelledBatch
from capas.objectives.similarity import full_precision

ReconstructionLoss = Literal["cross_entropy", "squared_error", "multinomial"]
START: Final = 0.3  # share of the schedule in which layers are learnt one by one
LAYER_MASKED: Final = 0.2


@runtime_checkable
class LayeredAutoencoder(Protocol):
    """What the objective needs of a network: layers from the data, h_0, to the code, h_depth, and back."""

    @property
    def depth(self) -> int:
        """Number of layers of the encoder."""

    @property
    def hidden_units(self) -> Literal["logistic", "rectified"]:
        """Units of the layers between the data and the code."""

    def encode_from(self, hidden: Tensor, start: int, end: int) -> Tensor:
        """Return h_end (B, M), given h_start (B, N)."""

    def decode_layer(self, hidden: Tensor, number: int) -> Tensor:
        """Return h_number (B, N) before its units, given what is decoded of h_{number+1} (B, M)."""

    def decode_logits(self, codes: Tensor) -> Tensor:
        """Return the data (B, N) before their output units."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Corruption:
    """What is done to inputs before they are encoded.

    Attributes:
        masked: Share of the numbers that are set to 0, in [0, 1).
        noise: Standard deviation of the Gaussian noise that is added, ≥ 0.
    """

    masked: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.masked < 1 and self.noise >= 0):
            raise ValueError(f"{self}; expected 0 ≤ masked < 1 and noise ≥ 0")

    def apply(self, inputs: Float[Tensor, "B N"], context: StepContext) -> Float[Tensor, "B N"]:
        """Return the corrupted inputs; numbers that were masked stay 0."""
        count, numbers = inputs.shape
        if self.noise:
            inputs = inputs + self.noise * context.normal(count, numbers).to(inputs)
        if self.masked:
            inputs = inputs * (context.uniform(count, numbers) >= self.masked).to(inputs)
        return inputs


CLEAN: Final = Corruption()
VINCENT: Final = Corruption(masked=0.25, noise=0.1)


def reconstruction_loss(
    logits: Float[Tensor, "B N"], clean: Float[Tensor, "B N"], kind: ReconstructionLoss
) -> Float[Tensor, " B"]:
    """Return the loss of each example, summed over its numbers; ``logits`` are those before the output units."""
    logits, clean = full_precision(logits), full_precision(clean)
    if kind == "multinomial":
        return -(clean * logits.log_softmax(1)).sum(1)
    if kind == "squared_error":
        return (logits.sigmoid() - clean).square().sum(1)
    return F.binary_cross_entropy_with_logits(logits, clean, reduction="none").sum(1)


class Autoencoding:
    """Objective of a deep autoencoder; inputs are in [0, 1].

    Args:
        autoencoder: The network, a ``LayeredAutoencoder``.
        loss: How what is rebuilt is compared.
        corruption: Of the inputs; none for a plain autoencoder.
        layer_wise: Whether layers are learnt one by one first.
    """

    def __init__(
        self, autoencoder: nn.Module, *, loss: ReconstructionLoss = "cross_entropy",
        corruption: Corruption = CLEAN, layer_wise: bool = False,
    ) -> None:  # fmt: skip
        assert isinstance(autoencoder, LayeredAutoencoder)
        self.autoencoder: LayeredAutoencoder = autoencoder
        self.networks: Mapping[str, nn.Module] = {"autoencoder": cast(nn.Module, autoencoder)}
        self.phases: Sequence[Phase] = (Phase(name="correct", loss="loss", networks=("autoencoder",)),)
        self.kind: ReconstructionLoss = loss
        self.corruption = corruption
        self.layer_wise = layer_wise

    def losses(self, batch: UnlabelledBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        clean = batch.inputs.flatten(1)
        layer = self.layer_at(context.progress)
        if layer is not None:
            return {"loss": self._layer_loss(clean, layer, context)}
        network = self.autoencoder
        logits = network.decode_logits(network.encode_from(self.corruption.apply(clean, context), 0, network.depth))
        return {"loss": reconstruction_loss(logits, clean, self.kind).mean()}

    def layer_at(self, progress: float) -> int | None:
        """Return the layer that is learnt by itself at this place on the schedule, None where all are."""
        if not self.layer_wise or progress >= START:
            return None
        return min(self.autoencoder.depth - 1, int(progress / START * self.autoencoder.depth))

    def _layer_loss(self, clean: Tensor, layer: int, context: StepContext) -> Tensor:
        """The loss of layer ``layer`` as a denoising autoencoder of its own."""
        network = self.autoencoder
        with torch.no_grad():
            below = network.encode_from(clean, 0, layer).float()
        corrupted = Corruption(masked=LAYER_MASKED).apply(below, context)
        logits = network.decode_layer(network.encode_from(corrupted, layer, layer + 1), layer)
        if layer and network.hidden_units == "rectified":
            return (full_precision(logits) - below).square().sum(1).mean()
        return reconstruction_loss(logits, below, self.kind if layer == 0 else "cross_entropy").mean()
