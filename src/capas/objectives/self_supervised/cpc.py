"""CPC, choosing the right continuation: van den Oord, Li & Vinyals, "Representation Learning with Contrastive
Predictive Coding", 2018 (arXiv:1807.03748).

An image is cut in overlapping patches, a sound in overlapping windows of its spectrogram; each is encoded by itself. A
recurrent network goes down each column of patches, or along the sound, and predicts from what it has seen the features
some places ahead; the true ones have to be told from those of other places and other examples (eq. 4, InfoNCE):

    L = −E log exp(z_{t+k}ᵀ W_k c_t / √D) / Σ_j exp(z_jᵀ W_k c_t / √D)

Windows overlap by half, so that the nearest place that shows nothing already seen is two ahead: distances begin there.

Where we deviate: images are read column by column, not by a network that sees the columns beside it too (Section 3.3);
the product is divided by √D; candidates are those of one rank. Batch normalisation in an encoder takes its statistics
over all windows and so lets a trace of later ones through, as in the paper's ResNet; the recurrent network does not.

Shapes: B sequences, T places, D features.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext
from capas.objectives.self_supervised.batches import UnlabelledBatch
from capas.objectives.similarity import full_precision

Layout = Literal["image", "audio"]
DISTANCES = (2, 3, 4)
MINIMUM_WINDOW = 8
MAX_CANDIDATES = 1024


def window_sequences(inputs: Float[Tensor, "N C H W"], layout: Layout) -> Float[Tensor, "B T C P Q"]:
    """Cut overlapping windows and put them in sequences.

    Args:
        inputs: Images, or spectrograms whose last axis is time.
        layout: "image": square patches of a quarter of the shorter side, a sequence for each column from top to bottom.
            "audio": windows of all bands and an eighth of the time, a sequence for each sound. 8 pixels at least.

    Raises:
        ValueError: There is no room for three windows in a sequence.
    """
    height, width = inputs.shape[2:]
    length = width if layout == "audio" else min(height, width)
    side = max(MINIMUM_WINDOW, 2 * (length // (16 if layout == "audio" else 8)))
    if length < 2 * side:
        raise ValueError(f"inputs are {height}×{width}; expected {2 * MINIMUM_WINDOW} or more along the sequence")
    if layout == "audio":
        return inputs.unfold(3, side, side // 2).permute(0, 3, 1, 2, 4)
    patches = inputs.unfold(2, side, side // 2).unfold(3, side, side // 2)  # N, C, rows, columns, side, side
    return patches.permute(0, 3, 2, 1, 4, 5).flatten(0, 1)


def info_nce(predicted: Float[Tensor, "N D"], targets: Float[Tensor, "N D"]) -> Float[Tensor, ""]:
    """Return the mean cross-entropy, in nats, of finding each prediction's own target among all: log N by guessing."""
    with torch.autocast(predicted.device.type, enabled=False):
        logits = full_precision(predicted) @ full_precision(targets).T / float(targets.shape[1] ** 0.5)
    return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


class CPC:
    """Objective of contrastive predictive coding, for images with sides, or sounds with frames, of 16 or more.

    Args:
        encoder: Windows (B, C, P, Q) → features (B, D).
        context_network: Features (B, T, D) → the features as they are compared, and predictions (B, T, D) by distance;
            ``CausalContext`` of ``capas.networks.representation``, with ``DISTANCES``.
        layout: Whether inputs are images or spectrograms.
    """

    deployed: Sequence[str] = ("encoder",)

    def __init__(self, encoder: nn.Module, context_network: nn.Module, *, layout: Layout = "image") -> None:
        self.networks: Mapping[str, nn.Module] = {"encoder": encoder, "context": context_network}
        self.phases: Sequence[Phase] = (Phase(name="correct", loss="loss", networks=tuple(self.networks)),)
        self.layout = layout

    def losses(self, batch: UnlabelledBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        windows = window_sequences(batch.inputs, self.layout)
        features = self.networks["encoder"](windows.flatten(0, 1)).unflatten(0, windows.shape[:2])
        targets, predicted = self.networks["context"](features)
        losses = []
        for distance, ahead in predicted.items():
            if distance >= targets.shape[1]:
                continue
            pair = ahead[:, :-distance].flatten(0, 1), targets[:, distance:].flatten(0, 1)
            # The matrix of all against all grows with the square: some of them are drawn.
            drawn = torch.randperm(len(pair[0]), generator=context.rng)[:MAX_CANDIDATES].to(targets.device)
            losses.append(info_nce(pair[0][drawn], pair[1][drawn]))
        return {"loss": torch.stack(losses).mean()}
