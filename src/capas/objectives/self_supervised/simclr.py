"""SimCLR: Chen, Kornblith, Norouzi & Hinton, "A Simple Framework for Contrastive Learning of Visual Representations",
ICML 2020 (arXiv:2002.05709).

Two views of each of N examples are encoded and projected, z = g(f(x)); each view has to find its partner among the
2N - 1 others (eq. 1, NT-Xent), which is averaged over all 2N views (Algorithm 1):

    ℓ(i, j) = −log exp(cos(z_i, z_j)/τ) / Σ_{k ≠ i} exp(cos(z_i, z_k)/τ)

The projector is thrown away afterwards: the encoder's features are the representation (Section 4.2). Under several
ranks the other views are those of all ranks. Where we deviate: batch normalisation takes each rank's own statistics,
where the paper aggregates them over all devices (Section 2.2).

Shapes: N examples, D numbers of an embedding.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from capas.objectives.base import Phase, StepContext
from capas.objectives.global_batch import gather_with_gradient, scale_gradient
from capas.objectives.self_supervised.batches import TwoViewBatch
from capas.objectives.similarity import cosine_similarities


def nt_xent(first: Float[Tensor, "N D"], second: Float[Tensor, "N D"], temperature: float) -> Float[Tensor, ""]:
    """Return the normalised temperature-scaled cross-entropy, in nats: log(2N - 1) where all embeddings are the same.

    Args:
        first: Embeddings of one view of each example, of any length.
        second: Those of the other view, in the same order.
        temperature: τ > 0.
    """
    count = len(first)
    both = torch.cat([first, second])
    logits = cosine_similarities(both, both) / temperature
    itself = torch.eye(2 * count, dtype=torch.bool, device=logits.device)
    partners = torch.arange(2 * count, device=logits.device).roll(count)
    return F.cross_entropy(logits.masked_fill(itself, float("-inf")), partners)


class SimCLR:
    """Objective of SimCLR.

    Args:
        encoder: Images (B, C, H, W) → features (B, D).
        projector: Features (B, D) → embeddings (B, E); ``simclr_projector`` builds the paper's.
        temperature: τ > 0; the paper's is 0.5 for small images (Appendix B.9) and 0.1 for ImageNet.
    """

    deployed: Sequence[str] = ("encoder",)

    def __init__(self, encoder: nn.Module, projector: nn.Module, *, temperature: float = 0.5) -> None:
        if temperature <= 0:
            raise ValueError(f"temperature is {temperature}; expected more than 0")
        self.networks: Mapping[str, nn.Module] = {"encoder": encoder, "projector": projector}
        self.phases: Sequence[Phase] = (Phase(name="correct", loss="loss", networks=tuple(self.networks)),)
        self.temperature = temperature

    def losses(self, batch: TwoViewBatch, phase: Phase, context: StepContext) -> Mapping[str, Tensor]:
        features = self.networks["encoder"](torch.cat([batch.first, batch.second]))
        first, second = self.networks["projector"](features).chunk(2)
        loss = nt_xent(gather_with_gradient(first, context), gather_with_gradient(second, context), self.temperature)
        return {"loss": scale_gradient(loss, context.world_size)}
