"""BYOL: Grill et al., "Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning", NeurIPS 2020
(arXiv:2006.07733).

Two views v and v' of an image. The online network predicts, from one view, what a slowly moving copy of itself, the
target network, makes of the other (eq. 2), and the other way round; there are no negatives:

    L = 2 − 2 cos(q(g(f(v))), sg g'(f'(v')))  +  the same with v and v' exchanged
    ξ ← τ ξ + (1 − τ) θ,   τ = 1 − (1 − τ_base)(cos(π k/K) + 1)/2                       (Section 3.3)

f encoder, g projector, q predictor; θ are their weights, ξ those of f' and g'. τ_base is 0.99, which the paper uses for
short trainings (0.996 for its 1000 epochs). Both views go through a network in one call, so that batch normalisation
takes its statistics over both.

The target has parameters that no optimizer knows. They do not carry ``requires_grad=False``: the engine takes that for
a network frozen in evaluation mode, while the target's batch normalisation goes on taking the statistics of its batch.
"""

import copy
import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext
from capas.objectives.self_supervised.batches import TwoViewBatch
from capas.objectives.similarity import full_precision

ONLINE = ("encoder", "projector", "predictor")


def regression_loss(predictions: Float[Tensor, "N D"], targets: Float[Tensor, "N D"]) -> Float[Tensor, ""]:
    """Return the mean squared distance of the pairs when both are scaled to length 1: 2 - 2 cos, in [0, 4]."""
    return 2 - 2 * F.cosine_similarity(full_precision(predictions), full_precision(targets), dim=1).mean()


def target_momentum(progress: float, base: float) -> float:
    """Return τ, which rises from ``base`` to 1 by half a cosine.

    >>> [target_momentum(progress, 0.9) for progress in (0.0, 0.5, 1.0)]
    [0.9, 0.95, 1.0]
    """
    return 1 - (1 - base) * (math.cos(math.pi * progress) + 1) / 2


class BYOL:
    """Objective of BYOL; the target begins as a copy of ``encoder`` and ``projector``.

    Args:
        encoder: Images (B, C, H, W) → features (B, D).
        projector: Features (B, D) → embeddings (B, E).
        predictor: Embeddings (B, E) → embeddings (B, E).
        base_momentum: τ_base, in [0, 1].
    """

    deployed: Sequence[str] = ("encoder",)

    def __init__(
        self, encoder: nn.Module, projector: nn.Module, predictor: nn.Module, *, base_momentum: float = 0.99
    ) -> None:
        if not 0 <= base_momentum <= 1:
            raise ValueError(f"base_momentum is {base_momentum}; expected 0 ≤ value ≤ 1")
        self.networks: Mapping[str, nn.Module] = {
            "encoder": encoder, "projector": projector, "predictor": predictor,
            "target_encoder": copy.deepcopy(encoder), "target_projector": copy.deepcopy(projector),
        }  # fmt: skip
        self.phases: Sequence[Phase] = (Phase(name="correct", loss="loss", networks=ONLINE),)
        self.base_momentum = base_momentum

    def losses(self, batch: TwoViewBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        views = torch.cat([batch.first, batch.second])
        predictions = self.networks["predictor"](self.networks["projector"](self.networks["encoder"](views)))
        with torch.no_grad():
            targets = self.networks["target_projector"](self.networks["target_encoder"](views))
        first, second = targets.chunk(2)
        # Twice the mean over both directions: the paper adds them up.
        return {"loss": 2 * regression_loss(predictions, torch.cat([second, first]))}

    def after(self, phase: Phase, context: StepContext) -> None:
        """Move the target a little towards the online network."""
        momentum = target_momentum(context.progress, self.base_momentum)
        for name in ("encoder", "projector"):
            own, target = self.networks[name].parameters(), self.networks[f"target_{name}"].parameters()
            for online, slow in zip(own, target, strict=True):
                slow.lerp_(online, 1 - momentum)
