"""Latent semantic analysis: Deerwester, Dumais, Furnas, Landauer & Harshman, "Indexing by Latent Semantic Analysis",
Journal of the American Society for Information Science 41(6), 1990.

A singular value decomposition of the term weights, cut off after D dimensions: the best linear code of documents. The
weights are tf-idf, each document normalised to length 1; both by scikit-learn.

Shapes: N training and B documents, V words, D numbers of a code.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

SEED: Final = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentSemanticAnalysis:
    """Fitted term weights and the directions of the largest singular values.

    Attributes:
        idf: Inverse document frequencies, scikit-learn's ``TfidfTransformer``.
        directions: scikit-learn's ``TruncatedSVD``.
    """

    idf: Any
    directions: Any

    @staticmethod
    def fit(counts: Float[Tensor, "N V"], dimensions: int) -> "LatentSemanticAnalysis":
        """Fit to word counts of training documents, or to shares: a document's length plays no part.

        Args:
            counts: Counts or shares, ≥ 0.
            dimensions: D, ≥ 1; as many as there can be where there are fewer.
        """
        from scipy.sparse import csr_matrix
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfTransformer

        idf = TfidfTransformer().fit(csr_matrix(counts.numpy()))
        weights = idf.transform(csr_matrix(counts.numpy()))
        directions = TruncatedSVD(min(dimensions, *counts.shape), random_state=SEED).fit(weights)
        return LatentSemanticAnalysis(idf=idf, directions=directions)

    def weights(self, counts: Float[Tensor, "B V"]) -> Float[Tensor, "B V"]:
        """Return tf-idf, rows of length 1, or zero where a document has no word."""
        return _tensor(self.idf.transform(counts.numpy()).toarray())

    def encode(self, counts: Float[Tensor, "B V"]) -> Float[Tensor, "B D"]:
        """Return the codes, to be compared by cosine."""
        return _tensor(self.directions.transform(self.idf.transform(counts.numpy())))


def _tensor(values: NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))
