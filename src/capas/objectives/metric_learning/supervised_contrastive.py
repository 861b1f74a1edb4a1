"""Supervised contrastive loss: Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020 (arXiv:2004.11362).

NT-Xent in which all examples of the anchor's identity are its partners (eq. 2, L_out):

    ℓ(i) = −1/|P(i)| Σ_{p ∈ P(i)} log exp(cos(z_i, z_p)/τ) / Σ_{k ≠ i} exp(cos(z_i, z_k)/τ)

Examples that are the only one of their identity in the batch are no anchors, but others are held against them.

Shapes: N embeddings of D numbers.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from capas.objectives.metric_learning.contrastive import same_identity
from capas.objectives.similarity import cosine_similarities


def supervised_contrastive_loss(
    embeddings: Float[Tensor, "N D"], labels: Int[Tensor, " N"], *, temperature: float = 0.1
) -> Float[Tensor, ""]:
    """Return the mean loss of the anchors, in nats; 0, with a gradient of 0, where there is none.

    Args:
        embeddings: Of any length.
        labels: Identities.
        temperature: τ > 0.
    """
    logits = cosine_similarities(embeddings, embeddings) / temperature
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive = same_identity(labels)
    log_shares = logits - logits.masked_fill(itself, float("-inf")).logsumexp(1, keepdim=True)
    partners = positive.sum(1)
    losses = -torch.where(positive, log_shares, 0.0).sum(1) / partners.clamp(min=1)
    return losses.sum() / (partners > 0).sum().clamp(min=1)
