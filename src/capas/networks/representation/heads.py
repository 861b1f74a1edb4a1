"""Heads on top of an encoder that learns without labels; they are thrown away afterwards.

- SimCLR: Chen et al. 2020 (arXiv:2002.05709), Appendix B.9 and the authors' code: linear, batch normalisation, ReLU,
  linear, batch normalisation; as wide inside as the features.
- BYOL: Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020 (arXiv:2006.07733), Section 3.3: linear, batch
  normalisation, ReLU, linear; 4096 wide inside for 2048 features, which is kept as a ratio here.
- Context prediction (Doersch et al. 2015) and jigsaw puzzles (Noroozi & Favaro 2016): classifiers on the features of
  several patches side by side, with one hidden layer; theirs have two, as AlexNet has.
"""

from torch import nn


class ProjectionHead(nn.Sequential):
    """Linear, batch normalisation, ReLU, linear: (B, in_features) → (B, out_features).

    Args:
        in_features: Width of the inputs.
        hidden_features: Width inside.
        out_features: Width of the outputs.
        output_norm: Batch normalisation of the outputs, which takes the place of the last bias.
    """

    def __init__(self, in_features: int, hidden_features: int, out_features: int, *, output_norm: bool = False) -> None:
        # A bias before a batch normalisation would be taken out again by it.
        layers: list[nn.Module] = [
            nn.Linear(in_features, hidden_features, bias=False),
            nn.BatchNorm1d(hidden_features),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_features, out_features, bias=not output_norm),
        ]
        super().__init__(*layers, *([nn.BatchNorm1d(out_features)] if output_norm else []))


def simclr_projector(feature_dim: int, *, output_dim: int = 128) -> ProjectionHead:
    """Return SimCLR's projector: features (B, feature_dim) → embeddings (B, output_dim)."""
    return ProjectionHead(feature_dim, feature_dim, output_dim, output_norm=True)


def byol_projector(feature_dim: int, *, output_dim: int = 256) -> ProjectionHead:
    """Return BYOL's projector: features (B, feature_dim) → embeddings (B, output_dim)."""
    return ProjectionHead(feature_dim, 2 * feature_dim, output_dim)


def byol_predictor(feature_dim: int, *, output_dim: int = 256) -> ProjectionHead:
    """Return BYOL's predictor: embeddings (B, output_dim) → embeddings (B, output_dim).

    Args:
        feature_dim: Features of the encoder, which decide the width inside as they do for the projector.
        output_dim: As the projector's.
    """
    return ProjectionHead(output_dim, 2 * feature_dim, output_dim)


def context_head(feature_dim: int) -> ProjectionHead:
    """Return a classifier of two patches: their features (B, 2 · feature_dim) → logits of eight directions (B, 8)."""
    return ProjectionHead(2 * feature_dim, 2 * feature_dim, 8)


def jigsaw_head(feature_dim: int, num_permutations: int) -> ProjectionHead:
    """Return a classifier of nine tiles: their features (B, 9 · feature_dim) → logits (B, num_permutations)."""
    return ProjectionHead(9 * feature_dim, 2 * feature_dim, num_permutations)
