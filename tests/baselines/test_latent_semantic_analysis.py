"""Latent semantic analysis: documents on one subject lie close without a word in common."""

import torch
from torch.nn.functional import cosine_similarity

from capas.baselines.latent_semantic_analysis import LatentSemanticAnalysis

# ship, sail, harbour | oven, bread, flour
COUNTS = torch.tensor(
    [[2, 1, 0, 0, 0, 0], [0, 1, 2, 0, 0, 0], [1, 0, 1, 0, 0, 0], [0, 0, 0, 1, 3, 0], [0, 0, 0, 0, 1, 2]],
    dtype=torch.float32,
)


def test_synonyms_and_strangers() -> None:
    fitted = LatentSemanticAnalysis.fit(COUNTS, 2)
    ship, harbour, flour = fitted.encode(torch.eye(6)[[0, 2, 5]])
    assert float(cosine_similarity(ship, harbour, dim=0)) > 0.99
    assert abs(float(cosine_similarity(ship, flour, dim=0))) < 0.01


def test_weights_are_tf_idf_of_length_one() -> None:
    fitted = LatentSemanticAnalysis.fit(COUNTS, 2)
    weights = fitted.weights(COUNTS)
    torch.testing.assert_close(weights.norm(dim=1), torch.ones(5))
    # "oven" is in one document, "bread" in two: idf = ln(6 / 2) + 1 and ln(6 / 3) + 1.
    torch.testing.assert_close(weights[3, 3] / weights[3, 4], torch.tensor((2.0986123 / 1.6931472) / 3))
    # Shares weigh as counts do, and a document without words stays at zero.
    shares = COUNTS / COUNTS.sum(1, keepdim=True)
    torch.testing.assert_close(fitted.weights(shares), weights)
    assert fitted.encode(torch.zeros(1, 6)).abs().sum() == 0


def test_no_more_dimensions_than_there_can_be() -> None:
    assert LatentSemanticAnalysis.fit(COUNTS[:3], 30).encode(COUNTS).shape == (5, 3)
